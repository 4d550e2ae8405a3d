// The traits of each status that the page knows. The texts are in i18n. A status that is not in the
// table comes from a newer API: it counts as open, and is shown by its name.

import type { OrderStatus } from '../api/model.ts';

/** The urgency of a status, which also decides its colour. */
export type Tone = 'progress' | 'attention' | 'good' | 'bad';

interface Traits {
  tone: Tone;
  /** True if no other status follows. */
  isFinal: boolean;
  /** True if the customer can still cancel. */
  canCancel: boolean;
  /**
   * True if the order waits for the customer, the shop or the carrier, and may therefore have this
   * status for days.
   */
  waits: boolean;
}

const OPEN_STATUS: Traits = { tone: 'progress', isFinal: false, canCancel: true, waits: false };
const ENDED: Traits = { tone: 'bad', isFinal: true, canCancel: false, waits: false };

/** The statuses in the sequence in which an order passes them. */
const STATUSES: Record<OrderStatus, Traits> = {
  PENDING: OPEN_STATUS,
  ACTION_REQUIRED: { ...OPEN_STATUS, tone: 'attention', waits: true },
  IN_REVIEW: { ...OPEN_STATUS, tone: 'attention', waits: true },
  RESERVED: OPEN_STATUS,
  PAID: OPEN_STATUS,
  SHIPPED: { ...OPEN_STATUS, canCancel: false, waits: true },
  DELIVERED: { ...OPEN_STATUS, tone: 'good', canCancel: false },
  COMPLETED: { ...ENDED, tone: 'good' },
  FAILED: ENDED,
  CANCELLED: ENDED,
};

/** The statuses by which lists can be filtered. */
export const LISTED = Object.keys(STATUSES) as OrderStatus[];

/** The statuses of an order without problems. Without shipping, COMPLETED follows PAID. */
const HAPPY_PATH: OrderStatus[] = ['PENDING', 'RESERVED', 'PAID', 'SHIPPED', 'DELIVERED', 'COMPLETED'];
/** The statuses beside the happy path, each with the status of the path after which it occurs. */
const DETOURS: Partial<Record<string, OrderStatus>> = { ACTION_REQUIRED: 'PENDING', IN_REVIEW: 'PENDING' };

export function traitsOf(status: string): Traits {
  return Object.hasOwn(STATUSES, status) ? STATUSES[status as OrderStatus] : OPEN_STATUS;
}

export const isFinal = (status: string): boolean => traitsOf(status).isFinal;

export const OPEN: OrderStatus[] = LISTED.filter((status) => !isFinal(status));

/**
 * The statuses that follow if nothing goes wrong, depending on whether the shop ships. Empty if the
 * page does not know the status.
 */
export function upcoming(status: string, ships: boolean): OrderStatus[] {
  const path = HAPPY_PATH as string[];
  const at = path.indexOf(DETOURS[status] ?? status);
  if (at === -1) return [];
  const isUnderWay = at >= path.indexOf('SHIPPED');
  return HAPPY_PATH.slice(at + 1).filter((next) => ships || isUnderWay || (next !== 'SHIPPED' && next !== 'DELIVERED'));
}

/** The name of a status for which there is no text. */
export function plainName(status: string): string {
  const text = status.toLowerCase().replaceAll('_', ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}
