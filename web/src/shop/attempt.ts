// Gives each attempt to place an order its Idempotency-Key. The same request keeps its key until the API has answered it, through double clicks,
// retries and reloads of the tab, so that it makes no second order.

import type { NewOrder } from '../api/model.ts';
import { recall, remember, thisTab } from '../storage.ts';

export interface Attempt {
  key: string;
  order: NewOrder;
  /** When it was first sent: milliseconds since 1970. */
  at: number;
}

const STORED = 'orderflow.attempt';
/** For how long the API remembers a key, less an hour. */
const KEY_LASTS_MS = 23 * 3_600_000;
/** How old an unanswered attempt may be to be sent again without being asked: a reload, not a tab found open the next day. */
const RESUME_WITHIN_MS = 10 * 60_000;

/** The attempt to place this order: the unanswered one of the same order, else a new one. */
export function attempt(order: NewOrder, now = Date.now()): Attempt {
  const known = unanswered(now);
  if (known && JSON.stringify(known.order) === JSON.stringify(order)) return known;
  const made = { key: randomKey(), order, at: now };
  remember(thisTab, STORED, made);
  return made;
}

/** The API has accepted or refused it: the same order from here on is a new one. */
export function answered(): void {
  remember(thisTab, STORED, null);
}

/** An attempt that was cut off just now, by a reload for instance. */
export function interrupted(now = Date.now()): Attempt | null {
  const known = unanswered(now);
  return known && now - known.at < RESUME_WITHIN_MS ? known : null;
}

function unanswered(now: number): Attempt | null {
  const known = recall<Attempt>(thisTab, STORED);
  return known && now - known.at < KEY_LASTS_MS ? known : null;
}

// 128 random bits. Not crypto.randomUUID, which browsers offer on https and localhost only.
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
