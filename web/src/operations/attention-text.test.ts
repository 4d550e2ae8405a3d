import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countOf, orderOf } from './attention-text.ts';

const ORDER = 'ord_01930000000070008000000000000001';

test('an order id and a shipment id lead to the order; other ids do not', () => {
  assert.equal(orderOf(ORDER), ORDER);
  assert.equal(orderOf(`${ORDER}-1`), ORDER);
  assert.equal(orderOf('PROD-001'), null);
});

test('the largest count of the API is shown as a lower bound', () => {
  assert.equal(countOf(999), '999');
  assert.equal(countOf(1000), '≥ 1000');
});
