// Which of the open orders need somebody.

import type { Order } from '../api/model.ts';

/** An order that is open for longer than this needs somebody; the same as AUDIT_STUCK_AFTER_S by default. */
const STUCK_AFTER_MS = 15 * 60_000;

export const isStuck = (order: Order, now: number): boolean => now - Date.parse(order.createdAt) > STUCK_AFTER_MS;

/** What is being undone comes first, then the oldest. */
export function byUrgency(orders: Order[]): Order[] {
  return orders.toSorted((a, b) => Number(b.compensating ?? false) - Number(a.compensating ?? false) || Date.parse(a.createdAt) - Date.parse(b.createdAt));
}
