import assert from 'node:assert/strict';
import { test } from 'node:test';
import { placed } from './places.ts';

const PLACES = new Set(['/items', '/items/0/quantity', '/items/0', '/customerID', '/contact/email']);
const at = (...pointers: string[]) => Object.fromEntries(placed(pointers.map((pointer) => ({ pointer, message: pointer })), PLACES).at);

test('a fault goes to its own place, or to the nearest place that contains it', () => {
  assert.deepEqual(at('/customerID', '/items/0/quantity'), { '/customerID': ['/customerID'], '/items/0/quantity': ['/items/0/quantity'] });
  assert.deepEqual(at('/items/0/unitPrice', '/items/7/unitPrice', '/items'), {
    '/items/0': ['/items/0/unitPrice'],
    '/items': ['/items/7/unitPrice', '/items'],
  });
});

test('faults without a place are kept', () => {
  const faults = ['/contact/phone', '/currency', '', 'Idempotency-Key'].map((pointer) => ({ pointer, message: 'm' }));
  const { at, elsewhere } = placed(faults, PLACES);
  assert.equal(at.size, 0);
  assert.deepEqual(elsewhere, faults);
});
