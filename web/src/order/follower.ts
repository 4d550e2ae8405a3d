// Follows one order by polling. For an unchanged order the API only returns a 304 without a body.
//
// The polling starts fast, because most orders end within seconds. It slows down while nothing
// changes, and becomes fast again after every change. It pauses while the tab is hidden, and stops
// when the order has ended and no compensation or refund is in progress.

import { failure, isAway, Refused } from '../api/errors.ts';
import type { Order } from '../api/model.ts';
import { isFinal } from './status.ts';

const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 5_000;
const GROWTH = 1.4;
const FIRST_WAIT_AWAY_MS = 1_000;
const LONGEST_WAIT_AWAY_MS = 15_000;
/** How long a newly accepted order may be missing from the read model. */
const UNKNOWN_LIMIT_MS = 15_000;
/** How long a requested change, such as a refund, may take until the order shows it. */
const EXPECT_LIMIT_MS = 60_000;

export interface Handlers {
  /** Fetches the order, as `order` of client.ts does. */
  ask: (etag: string | null) => Promise<{ order: Order; etag: string | null } | null>;
  /** Called with each new version. */
  onOrder: (order: Order) => void;
  /** Called after an attempt. `isAway`: the API is unavailable. */
  onReach: (isAway: boolean) => void;
  /** Called when the API refuses the request. The follower then stops. */
  onRefused: (refusal: Refused) => void;
}

export class Follower {
  #handlers: Handlers;
  #patientUntil: number;
  #etag: string | null = null;
  #order: Order | null = null;
  #wait = FIRST_WAIT_MS;
  #awayWait = FIRST_WAIT_AWAY_MS;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #expectsUntil = 0;
  /** True when the order has ended and no change is expected. */
  #isAtRest = false;
  #isAsking = false;
  #isPaused = false;
  #isStopped = false;

  /** `isNew` means that the order was accepted just now. */
  constructor(handlers: Handlers, isNew: boolean) {
    this.#handlers = handlers;
    this.#patientUntil = isNew ? performance.now() + UNKNOWN_LIMIT_MS : 0;
  }

  /** Polls at once, and continues at the fastest pace. */
  now(): void {
    clearTimeout(this.#timer);
    this.#isPaused = false;
    this.#wait = FIRST_WAIT_MS;
    void this.#poll();
  }

  /**
   * Polls again after a request, such as a refund, that may change even an order that has ended.
   */
  expect(): void {
    this.#expectsUntil = performance.now() + EXPECT_LIMIT_MS;
    this.#isAtRest = false;
    this.now();
  }

  /** Stops polling until `now` is called. */
  pause(): void {
    this.#isPaused = true;
    clearTimeout(this.#timer);
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  async #poll(): Promise<void> {
    if (this.#isAsking || this.#isStopped || this.#isAtRest) return;
    this.#isAsking = true;
    try {
      const wait = await this.#ask();
      if (!this.#isStopped && !this.#isAtRest && !this.#isPaused) this.#timer = setTimeout(() => void this.#poll(), wait);
    } finally {
      this.#isAsking = false;
    }
  }

  /** Makes one request to the API. Returns the wait before the next one in milliseconds. */
  async #ask(): Promise<number> {
    try {
      const answer = await this.#handlers.ask(this.#etag);
      if (!this.#isStopped) this.#answered(answer);
      return this.#nextWait(answer !== null);
    } catch (error) {
      return this.#failed(error);
    }
  }

  #answered(answer: { order: Order; etag: string | null } | null): void {
    this.#awayWait = FIRST_WAIT_AWAY_MS;
    this.#handlers.onReach(false);
    if (answer) {
      this.#etag = answer.etag;
      this.#order = answer.order;
      this.#expectsUntil = 0;
    }
    this.#isAtRest = this.#order !== null && hasEnded(this.#order) && performance.now() >= this.#expectsUntil;
    if (answer) this.#handlers.onOrder(answer.order);
  }

  #nextWait(hasChanged: boolean): number {
    this.#wait = hasChanged ? FIRST_WAIT_MS : Math.min(this.#wait * GROWTH, LONGEST_WAIT_MS);
    return this.#wait;
  }

  #failed(error: unknown): number {
    const failed = failure(error);
    if (isAway(failed)) {
      if (!this.#isStopped) this.#handlers.onReach(true);
      const asked = failed instanceof Refused ? failed.retryAfterSeconds * 1000 : 0;
      const wait = Math.max(this.#awayWait, asked);
      this.#awayWait = Math.min(this.#awayWait * 2, LONGEST_WAIT_AWAY_MS);
      return wait;
    }
    const refusal = failed as Refused;
    if (refusal.status === 404 && performance.now() < this.#patientUntil) return this.#nextWait(false);
    if (!this.#isStopped) this.#handlers.onRefused(refusal);
    this.stop();
    return 0;
  }
}

function hasEnded({ status, compensating, refunds = [] }: Order): boolean {
  return isFinal(status) && !compensating && !refunds.some(({ status }) => status === 'PENDING');
}
