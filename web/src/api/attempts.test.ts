import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import type { NewOrder } from './model.ts';

const stored = new Map<string, string>();
globalThis.sessionStorage = {
  getItem: (key: string) => stored.get(key) ?? null,
  setItem: (key: string, value: string) => stored.set(key, value),
  removeItem: (key: string) => stored.delete(key),
} as unknown as Storage;
const { Attempts } = await import('./attempts.ts');

const attempts = new Attempts<NewOrder>('order');

const order = (quantity: number): NewOrder => ({ customerID: 'C', totalAmount: quantity, items: [{ productID: 'A', quantity, unitPrice: 1 }], currency: 'USD' });
const HOUR = 3_600_000;

beforeEach(() => stored.clear());

test('the same order keeps its key until it is answered', () => {
  const first = attempts.of(order(1));
  assert.match(first.key, /^[0-9a-f]{32}$/);
  assert.equal(attempts.of(order(1)).key, first.key);
  attempts.answered();
  assert.notEqual(attempts.of(order(1)).key, first.key);
});

test('another order has another key, and so has another kind of request', () => {
  assert.notEqual(attempts.of(order(1)).key, new Attempts<NewOrder>('gift').of(order(1)).key);
  assert.notEqual(attempts.of(order(1)).key, attempts.of(order(2)).key);
});

test('an interrupted attempt is resumed after a minute, but not after an hour', () => {
  assert.equal(attempts.interrupted(0), null);
  const { key } = attempts.of(order(1), 0);
  assert.equal(attempts.interrupted(HOUR / 60)?.key, key);
  assert.equal(attempts.interrupted(HOUR), null);
  assert.equal(attempts.of(order(1), HOUR).key, key, 'the same order, placed by a click, is still the same attempt');
  assert.notEqual(attempts.of(order(1), 24 * HOUR).key, key, 'until the API forgets the key');
});

test('a stored value that cannot be read is ignored', () => {
  stored.set('orderflow.attempt.order', '{');
  assert.equal(attempts.interrupted(), null);
});
