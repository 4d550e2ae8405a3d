import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chosen, faultsOf, restOf, toRefund, unitsOf, type RefundForm } from './refund-request.ts';

const item = (productID: string, quantity: number) => ({ productID, quantity, unitPrice: 10.1 });
const order = { currency: 'USD', items: [item('A', 2), item('B', 1), item('A', 1), item('C', 0)], payment: { status: 'CAPTURED', amount: 40.4, refundedAmount: 10.1 } };
const say = { anAmount: 'amount', chooseUnits: 'choose', atMost: (most: string) => `at most ${most}`, wholeNumber: 'whole' };
const form = (some: Partial<RefundForm>): RefundForm => ({ what: 'rest', amount: '', quantities: {}, restock: false, reason: '', ...some });

test('line items of one product are refunded together, and line items without units are left out', () => {
  assert.deepEqual(unitsOf(order), [{ productID: 'A', quantity: 3 }, { productID: 'B', quantity: 1 }]);
});

test('the amount that is left to refund is exact; without a captured payment there is none', () => {
  assert.equal(restOf(order), 3030n);
  for (const payment of [null, { status: 'AUTHORIZED', amount: 1 }, { status: 'REFUNDED', amount: 1, refundedAmount: 1 }]) {
    assert.equal(restOf({ currency: 'USD', payment }), null);
  }
});

test('the request contains only fields that the API accepts', () => {
  assert.deepEqual(toRefund(form({ amount: '5', quantities: { A: '1' } }), order), {});
  assert.deepEqual(toRefund(form({ restock: true, reason: ' returned ' }), order), { restock: true, reason: 'returned' });
  assert.deepEqual(toRefund(form({ what: 'amount', amount: '12,5', restock: true }), order), { amount: 12.5 });
  assert.deepEqual(toRefund(form({ what: 'items', quantities: { A: '0', B: ' 1 ' }, restock: true }), order), { items: [{ productID: 'B', quantity: 1 }], restock: true });
});

test('faults have the pointers that the API would use', () => {
  const faults = (some: Partial<RefundForm>) => faultsOf(form(some), order, say);
  assert.deepEqual(faults({ amount: 'x' }), []);
  assert.deepEqual(faults({ what: 'amount', amount: '1.001' }), [{ pointer: '/amount', message: 'amount' }]);
  assert.deepEqual(faults({ what: 'amount', amount: '30.31' }), [{ pointer: '/amount', message: 'at most 30.30' }]);
  assert.deepEqual(faults({ what: 'amount', amount: '30.3' }), []);
  assert.deepEqual(faults({ what: 'items', quantities: { A: '', B: '0' } }), [{ pointer: '/items', message: 'choose' }]);
  const quantities = { A: '', B: '2' };
  assert.deepEqual(faults({ what: 'items', quantities }), [{ pointer: '/items/0/quantity', message: 'at most 1' }]);
  assert.deepEqual(chosen(form({ quantities }), order), [{ productID: 'B', quantity: 1 }]);
  assert.deepEqual(faults({ what: 'items', quantities: { A: '1.5' } }), [{ pointer: '/items/0/quantity', message: 'whole' }]);
});
