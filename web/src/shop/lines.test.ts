import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Product } from '../api/model.ts';
import * as lines from './lines.ts';

const product = (productID: string, unitPrice: number, currency = 'USD'): Product => ({ productID, name: productID, unitPrice, currency, inStock: true });
const catalogue = new Map([product('A', 0.1), product('B', 1299.99), product('Y', 100, 'JPY')].map((product) => [product.productID, product]));
const priced = (...quantities: [string, string][]) => lines.price(quantities.map(([productID, quantity]) => ({ productID, quantity })), catalogue);
const say = { addOne: 'add', wholeNumber: 'whole', gone: 'gone', otherCurrency: (currency: string) => `in ${currency}` };
const details = { ...lines.EMPTY_FORM, customerID: 'C', language: 'ru' as const };

test('adding a product twice is one line', () => {
  const twice = lines.add(lines.add([], 'A'), 'A');
  assert.deepEqual(twice, [{ productID: 'A', quantity: '2' }]);
  assert.deepEqual(lines.add([{ productID: 'A', quantity: 'x' }], 'A'), [{ productID: 'A', quantity: '1' }]);
});

test('a stepped quantity is a whole number above zero', () => {
  assert.equal(lines.stepped('3', -1n), '2');
  assert.equal(lines.stepped('1', -1n), '1');
  assert.equal(lines.stepped('', 1n), '1');
});

test('totals are exact', () => {
  assert.equal(lines.totalOf(priced(['A', '3'], ['B', '7'])), 910_023n);
  assert.equal(lines.totalOf(priced(['A', ''])), null);
  assert.equal(lines.totalOf(priced(['A', '1.5'])), null);
  assert.equal(lines.totalOf(priced(['A', '1'], ['Y', '1'])), null, 'currencies are not added up');
  assert.equal(lines.totalOf([]), null);
});

test('faults have the pointers that the API would use', () => {
  assert.deepEqual(lines.faultsOf([], say), [{ pointer: '/items', message: 'add' }]);
  assert.deepEqual(lines.faultsOf(priced(['A', '1'], ['Y', '1'], ['Z', '1'], ['B', '-1']), say), [
    { pointer: '/items/1', message: 'in USD' },
    { pointer: '/items/2', message: 'gone' },
    { pointer: '/items/3/quantity', message: 'whole' },
  ]);
});

test('the request contains exact decimals, and only the fields that were filled in', () => {
  assert.equal(
    JSON.stringify(lines.toOrder(priced(['A', '3'], ['B', '7']), details)),
    '{"customerID":"C","totalAmount":9100.23,"items":[{"productID":"A","quantity":3,"unitPrice":0.1},{"productID":"B","quantity":7,"unitPrice":1299.99}],' +
      '"currency":"USD","paymentMethod":"tok_visa"}',
  );
  assert.deepEqual(lines.toOrder(priced(['A', '1']), { ...details, paymentMethod: '', email: 'a@b.c' }), {
    customerID: 'C',
    totalAmount: 0.1,
    items: [{ productID: 'A', quantity: 1, unitPrice: 0.1 }],
    currency: 'USD',
    contact: { email: 'a@b.c', language: 'ru' },
  });
  const both = { ...details, email: 'a@b.c', phone: '+14155550123', channel: 'SMS' as const };
  assert.deepEqual(lines.toOrder(priced(['A', '1']), both).contact, { email: 'a@b.c', phone: '+14155550123', channel: 'SMS', language: 'ru' });
  assert.deepEqual(lines.toOrder(priced(['A', '1']), { ...both, phone: '' }).contact, { email: 'a@b.c', language: 'ru' }, 'with one address there is no choice of channel');
});
