import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Order } from '../api/model.ts';
import { byUrgency, isStuck } from './open-orders.ts';

const order = (id: string, createdAt: string, more: Partial<Order> = {}) =>
  ({ id, createdAt, history: [{ status: 'PENDING', at: createdAt }], ...more }) as Order;

test('orders in compensation come first, then the oldest', () => {
  const orders = [
    order('young', '2026-11-21T10:05:00Z'),
    order('old', '2026-11-21T10:00:00.5Z'),
    order('older', '2026-11-21T10:00:00.123456Z'),
    order('undone', '2026-11-21T11:00:00Z', { compensating: true }),
  ];
  assert.deepEqual(byUrgency(orders).map(({ id }) => id), ['undone', 'older', 'old', 'young']);
});

test('an order is stuck after a quarter of an hour', () => {
  const now = Date.parse('2026-11-21T10:15:00Z');
  assert.equal(isStuck(order('a', '2026-11-21T10:00:00Z'), now), false);
  assert.equal(isStuck(order('a', '2026-11-21T09:59:59Z'), now), true);
});

test('an order whose status changed a moment ago is not stuck, however old it is', () => {
  const now = Date.parse('2026-11-21T10:15:00Z');
  const history = [
    { status: 'IN_REVIEW', at: '2026-11-20T10:00:00Z' },
    { status: 'RESERVED', at: '2026-11-21T10:14:00Z' },
  ];
  assert.equal(isStuck(order('a', '2026-11-20T10:00:00Z', { status: 'RESERVED', history }), now), false);
});

test('an order that waits for somebody is not stuck', () => {
  const now = Date.parse('2026-11-23T10:00:00Z');
  const stuck = (status: string, shipments: string[] = []) =>
    isStuck(order('a', '2026-11-21T10:00:00Z', { status, shipments: shipments.map((status) => ({ id: 's', status })) }), now);
  for (const status of ['ACTION_REQUIRED', 'IN_REVIEW', 'SHIPPED']) assert.equal(stuck(status), false, status);
  assert.equal(stuck('PAID', ['BOOKED', 'BOOKED']), false, 'the carrier has not collected the parcels yet');
  for (const shipments of [[], ['BOOKED', 'PENDING']]) assert.equal(stuck('PAID', shipments), true);
  assert.equal(stuck('RESERVED'), true);
});
