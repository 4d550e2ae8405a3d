// Gives each attempt to do something, such as to place an order, its Idempotency-Key. The same request keeps its key until the API has answered it,
// through double clicks, retries and reloads of the tab, so that it has its effect once.

import { recall, remember, thisTab } from '../storage.ts';

export interface Attempt<Request> {
  key: string;
  request: Request;
  /** When it was first sent: milliseconds since 1970. */
  at: number;
}

/** For how long the API remembers a key, less an hour. */
const KEY_LASTS_MS = 23 * 3_600_000;
/** How old an unanswered attempt may be to be sent again without being asked: a reload, not a tab found open the next day. */
const RESUME_WITHIN_MS = 10 * 60_000;

/** The attempts at one thing, one after the other. */
export class Attempts<Request> {
  #stored: string;

  /** `name`: what the tab remembers them by. */
  constructor(name: string) {
    this.#stored = `orderflow.attempt.${name}`;
  }

  /** The attempt at this request: the unanswered one of the same request, else a new one. */
  of(request: Request, now = Date.now()): Attempt<Request> {
    const known = this.#unanswered(now);
    if (known && JSON.stringify(known.request) === JSON.stringify(request)) return known;
    const made = { key: randomKey(), request, at: now };
    remember(thisTab, this.#stored, made);
    return made;
  }

  /** The API has accepted or refused it: the same request from here on is a new one. */
  answered(): void {
    remember(thisTab, this.#stored, null);
  }

  /** An attempt that was cut off just now, by a reload for instance. */
  interrupted(now = Date.now()): Attempt<Request> | null {
    const known = this.#unanswered(now);
    return known && now - known.at < RESUME_WITHIN_MS ? known : null;
  }

  #unanswered(now: number): Attempt<Request> | null {
    const known = recall<Attempt<Request>>(thisTab, this.#stored);
    return known && now - known.at < KEY_LASTS_MS ? known : null;
  }
}

// 128 random bits. Not crypto.randomUUID, which browsers offer on https and localhost only.
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
