// Which of the open orders need somebody.

import type { Order } from '../api/model.ts';
import { traitsOf } from '../order/status.ts';

/** An order that should go on by itself and is open for longer than this needs somebody; the same as AUDIT_STUCK_AFTER_S by default. */
const STUCK_AFTER_MS = 15 * 60_000;

export const isStuck = (order: Order, now: number): boolean => !waits(order) && now - Date.parse(order.createdAt) > STUCK_AFTER_MS;

/** It is somebody's turn: the customer's, the shop's, or the carrier's to fetch its parcels. */
function waits({ status, shipments = [] }: Order): boolean {
  const isBooked = shipments.length > 0 && shipments.every(({ status }) => status === 'BOOKED');
  return traitsOf(status).waits || (status === 'PAID' && isBooked);
}

/** What is being undone comes first, then the oldest. */
export function byUrgency(orders: Order[]): Order[] {
  return orders.toSorted((a, b) => Number(b.compensating ?? false) - Number(a.compensating ?? false) || Date.parse(a.createdAt) - Date.parse(b.createdAt));
}
