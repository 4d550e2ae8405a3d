import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import type { NewOrder } from '../api/model.ts';

const stored = new Map<string, string>();
globalThis.sessionStorage = {
  getItem: (key: string) => stored.get(key) ?? null,
  setItem: (key: string, value: string) => stored.set(key, value),
  removeItem: (key: string) => stored.delete(key),
} as unknown as Storage;
const { answered, attempt, interrupted } = await import('./attempt.ts');

const order = (quantity: number): NewOrder => ({ customerID: 'C', totalAmount: quantity, items: [{ productID: 'A', quantity, unitPrice: 1 }], currency: 'USD' });
const HOUR = 3_600_000;

beforeEach(() => stored.clear());

test('the same order keeps its key until it is answered', () => {
  const first = attempt(order(1));
  assert.match(first.key, /^[0-9a-f]{32}$/);
  assert.equal(attempt(order(1)).key, first.key);
  answered();
  assert.notEqual(attempt(order(1)).key, first.key);
});

test('another order has another key', () => {
  assert.notEqual(attempt(order(1)).key, attempt(order(2)).key);
});

test('an attempt that was cut off goes on, but not the next day', () => {
  assert.equal(interrupted(0), null);
  const { key } = attempt(order(1), 0);
  assert.equal(interrupted(HOUR / 60)?.key, key);
  assert.equal(interrupted(HOUR), null);
  assert.equal(attempt(order(1), HOUR).key, key, 'but the same order by hand is still the same attempt');
  assert.notEqual(attempt(order(1), 24 * HOUR).key, key, 'until the API forgets the key');
});

test('what cannot be read is no attempt', () => {
  stored.set('orderflow.attempt', '{');
  assert.equal(interrupted(), null);
});
