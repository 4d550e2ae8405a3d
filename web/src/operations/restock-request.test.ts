import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byNeed, faultsOf, toRestock } from './restock-request.ts';

const SAY = { chooseProduct: 'choose', wholeNumber: 'whole' };
const pointers = (productID: string, quantity: string) => faultsOf({ productID, quantity, reason: '' }, SAY).map(({ pointer }) => pointer);

test('a product and a whole number make a request', () => {
  assert.deepEqual(pointers('PROD-001', ' 12 '), []);
  assert.deepEqual(pointers('', ''), ['/productID', '/quantity']);
  for (const quantity of ['1.5', '-1', 'two', '1e3', '12345678901']) assert.deepEqual(pointers('PROD-001', quantity), ['/quantity'], quantity);
  assert.deepEqual(toRestock({ productID: 'PROD-001', quantity: ' 12 ', reason: ' ' }), { quantity: 12 });
  assert.deepEqual(toRestock({ productID: 'PROD-001', quantity: '12', reason: ' delivery ' }), { quantity: 12, reason: 'delivery' });
});

test('sold-out products come first; then the name decides', () => {
  const product = (name: string, inStock: boolean) => ({ productID: name, name, unitPrice: 1, currency: 'USD', inStock });
  const sorted = byNeed([product('B', true), product('A', true), product('Z', false)]);
  assert.deepEqual(sorted.map(({ name }) => name), ['Z', 'A', 'B']);
});
