// The open orders that need somebody's attention.

import type { Order } from '../api/model.ts';
import { traitsOf } from '../order/status.ts';

/**
 * An open order that waits for nobody counts as stuck if its status has not changed for this time.
 * The default of AUDIT_STUCK_AFTER_S is the same.
 */
const STUCK_AFTER_MS = 15 * 60_000;

export const isStuck = (order: Order, now: number): boolean =>
  !waits(order) && now - Date.parse(order.history.at(-1)?.at ?? order.createdAt) > STUCK_AFTER_MS;

/**
 * Whether the order waits for the customer, for the shop, or for the carrier, which must collect
 * the parcels.
 */
function waits({ status, shipments = [] }: Order): boolean {
  const isBooked = shipments.length > 0 && shipments.every(({ status }) => status === 'BOOKED');
  return traitsOf(status).waits || (status === 'PAID' && isBooked);
}

/** Sorts orders: orders in compensation first, then the oldest. */
export function byUrgency(orders: Order[]): Order[] {
  return orders.toSorted((a, b) => Number(b.compensating ?? false) - Number(a.compensating ?? false) || Date.parse(a.createdAt) - Date.parse(b.createdAt));
}
