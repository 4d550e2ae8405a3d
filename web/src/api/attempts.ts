// Idempotency keys for requests such as placing an order. A request keeps its key until the API has
// answered it, even after double clicks, retries and reloads of the tab. So the request has its
// effect once.

import { recall, remember, thisTab } from '../storage.ts';

export interface Attempt<Request> {
  key: string;
  request: Request;
  /** When the request was first sent, in milliseconds since 1970. */
  at: number;
}

/** How long a key is used. The API remembers it for an hour longer, for 24 hours. */
const KEY_LASTS_MS = 23 * 3_600_000;
/**
 * The maximum age at which an unanswered attempt is sent again without a click. It covers a reload,
 * but not a tab that is opened again the next day.
 */
const RESUME_WITHIN_MS = 10 * 60_000;

/** The attempts at one kind of request, one after the other. */
export class Attempts<Request> {
  #stored: string;

  /** `name` is part of the key under which the tab stores the attempt. */
  constructor(name: string) {
    this.#stored = `orderflow.attempt.${name}`;
  }

  /** Returns the unanswered attempt of the same request, or else a new attempt. */
  of(request: Request, now = Date.now()): Attempt<Request> {
    const known = this.#unanswered(now);
    if (known && JSON.stringify(known.request) === JSON.stringify(request)) return known;
    const made = { key: randomKey(), request, at: now };
    remember(thisTab, this.#stored, made);
    return made;
  }

  /**
   * Ends the attempt after the API has accepted or refused it. The same request is a new attempt
   * from now on.
   */
  answered(): void {
    remember(thisTab, this.#stored, null);
  }

  /** Returns a recent attempt that was interrupted, for example by a reload. */
  interrupted(now = Date.now()): Attempt<Request> | null {
    const known = this.#unanswered(now);
    return known && now - known.at < RESUME_WITHIN_MS ? known : null;
  }

  #unanswered(now: number): Attempt<Request> | null {
    const known = recall<Attempt<Request>>(thisTab, this.#stored);
    return known && now - known.at < KEY_LASTS_MS ? known : null;
  }
}

// 128 random bits. crypto.randomUUID is not used, because browsers offer it only on https and
// localhost.
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
