// Follows one order by polling. An unchanged order costs the API a 304 without a body; the pace starts fast, since most orders end within
// seconds, slows down while nothing changes, and starts anew with every change. Nobody asks while nobody looks, nor when the order has ended, unless a refund
// is under way.

import { failure, isAway, Refused } from '../api/errors.ts';
import type { Order } from '../api/model.ts';
import { isFinal } from './status.ts';

const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 5_000;
const GROWTH = 1.4;
const FIRST_WAIT_AWAY_MS = 1_000;
const LONGEST_WAIT_AWAY_MS = 15_000;
/** For how long an order that was just accepted may be unknown to the readers. */
const UNKNOWN_LIMIT_MS = 15_000;
/** For how long something that was asked for may take to show in the order. */
const EXPECT_LIMIT_MS = 60_000;

export interface Handlers {
  /** The order as `api.order` of client.ts gives it. */
  ask: (etag: string | null) => Promise<{ order: Order; etag: string | null } | null>;
  /** Each new version. */
  onOrder: (order: Order) => void;
  /** Whether the API can be read. */
  onReach: (isAway: boolean) => void;
  /** There is nothing to follow. */
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
  /** Nothing more is to come. */
  #isAtRest = false;
  #isAsking = false;
  #isPaused = false;
  #isStopped = false;

  /** `isNew`: the order was accepted just now. */
  constructor(handlers: Handlers, isNew: boolean) {
    this.#handlers = handlers;
    this.#patientUntil = isNew ? performance.now() + UNKNOWN_LIMIT_MS : 0;
  }

  /** Asks at once, and from there on at a quick pace. */
  now(): void {
    clearTimeout(this.#timer);
    this.#isPaused = false;
    this.#wait = FIRST_WAIT_MS;
    void this.#poll();
  }

  /** Something was asked for, such as a refund, which may change even an order that has ended. */
  expect(): void {
    this.#expectsUntil = performance.now() + EXPECT_LIMIT_MS;
    this.#isAtRest = false;
    this.now();
  }

  /** Asks no more until `now`. */
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

  /** One question to the API; returns how long to wait before the next, in ms. */
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
