// The vocabulary of statuses: the one table of what the page knows about each. Their words are in i18n. A status that is not here is an open one
// of a newer API, shown by its name.

import type { OrderStatus } from '../api/model.ts';

/** How much attention it asks for, and in which colour. */
export type Tone = 'progress' | 'attention' | 'good' | 'bad';

interface Traits {
  tone: Tone;
  /** Nothing follows it. */
  isFinal: boolean;
  /** The customer can still cancel. */
  canCancel: boolean;
  /** It is up to the customer, the shop or the carrier, so an order may stay there for days. */
  waits: boolean;
}

const OPEN_STATUS: Traits = { tone: 'progress', isFinal: false, canCancel: true, waits: false };
const ENDED: Traits = { tone: 'bad', isFinal: true, canCancel: false, waits: false };

/** In the order of an order's life. */
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

/** What lists can be filtered by. */
export const LISTED = Object.keys(STATUSES) as OrderStatus[];

/** The way of an order that meets no trouble. Without shipping it goes from PAID to COMPLETED. */
const HAPPY_PATH: OrderStatus[] = ['PENDING', 'RESERVED', 'PAID', 'SHIPPED', 'DELIVERED', 'COMPLETED'];
/** Where an order leaves the path for a while, and after which status of the path. */
const DETOURS: Partial<Record<string, OrderStatus>> = { ACTION_REQUIRED: 'PENDING', IN_REVIEW: 'PENDING' };

export function traitsOf(status: string): Traits {
  return Object.hasOwn(STATUSES, status) ? STATUSES[status as OrderStatus] : OPEN_STATUS;
}

export const isFinal = (status: string): boolean => traitsOf(status).isFinal;

export const OPEN: OrderStatus[] = LISTED.filter((status) => !isFinal(status));

/** What is still to come if all goes well, in a shop that ships or does not. Of a status that the page does not know, nobody can tell. */
export function upcoming(status: string, ships: boolean): OrderStatus[] {
  const at = (HAPPY_PATH as string[]).indexOf(DETOURS[status] ?? status);
  if (at === -1) return [];
  const isUnderWay = status === 'SHIPPED' || status === 'DELIVERED';
  return HAPPY_PATH.slice(at + 1).filter((next) => ships || isUnderWay || (next !== 'SHIPPED' && next !== 'DELIVERED'));
}

/** The name of a status without words of its own. */
export function plainName(status: string): string {
  const text = status.toLowerCase().replaceAll('_', ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}
