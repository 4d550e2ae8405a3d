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
}

type Known = OrderStatus | 'IN_REVIEW' | 'ACTION_REQUIRED' | 'SHIPPED' | 'DELIVERED';

const STATUSES: Record<Known, Traits> = {
  PENDING: { tone: 'progress', isFinal: false, canCancel: true },
  IN_REVIEW: { tone: 'attention', isFinal: false, canCancel: true },
  ACTION_REQUIRED: { tone: 'attention', isFinal: false, canCancel: true },
  RESERVED: { tone: 'progress', isFinal: false, canCancel: true },
  PAID: { tone: 'progress', isFinal: false, canCancel: true },
  SHIPPED: { tone: 'progress', isFinal: false, canCancel: false },
  DELIVERED: { tone: 'good', isFinal: false, canCancel: false },
  COMPLETED: { tone: 'good', isFinal: true, canCancel: false },
  FAILED: { tone: 'bad', isFinal: true, canCancel: false },
  CANCELLED: { tone: 'bad', isFinal: true, canCancel: false },
};

/** What the API has today, in the order of an order's life: what lists can be filtered by. */
export const LISTED: OrderStatus[] = ['PENDING', 'RESERVED', 'PAID', 'COMPLETED', 'FAILED', 'CANCELLED'];
/** The way of an order that meets no trouble. */
const HAPPY_PATH: Known[] = ['PENDING', 'RESERVED', 'PAID', 'COMPLETED'];

const UNKNOWN: Traits = { tone: 'progress', isFinal: false, canCancel: true };

export function traitsOf(status: string): Traits {
  return Object.hasOwn(STATUSES, status) ? STATUSES[status as Known] : UNKNOWN;
}

export const isFinal = (status: string): boolean => traitsOf(status).isFinal;

export const OPEN: OrderStatus[] = LISTED.filter((status) => !isFinal(status));

/** What is still to come if all goes well. Of an order off the path, nobody can tell. */
export function upcoming(status: string): string[] {
  const at = (HAPPY_PATH as string[]).indexOf(status);
  return at === -1 ? [] : HAPPY_PATH.slice(at + 1);
}

/** The name of a status without words of its own. */
export function plainName(status: string): string {
  const text = status.toLowerCase().replaceAll('_', ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}
