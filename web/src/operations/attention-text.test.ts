import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countOf, orderOf } from './attention-text.ts';

const ORDER = 'ord_01930000000070008000000000000001';

test('an order and its shipment lead to the order, and nothing else does', () => {
  assert.equal(orderOf(ORDER), ORDER);
  assert.equal(orderOf(`${ORDER}-1`), ORDER);
  assert.equal(orderOf('PROD-001'), null);
});

test('a count that the API cuts off is shown as such', () => {
  assert.equal(countOf(999), '999');
  assert.equal(countOf(1000), '≥ 1000');
});
