// Follows one order by polling. An unchanged order costs the API a 304 without a body; the pace starts fast, since most orders end within
// seconds, slows down while nothing changes, and starts anew with every change.

import * as api from './api.js';

const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 5_000;
const GROWTH = 1.4;
const FIRST_WAIT_AWAY_MS = 1_000;
const LONGEST_WAIT_AWAY_MS = 15_000;
/** For how long an order that was just accepted may be unknown to the readers. */
const UNKNOWN_LIMIT_MS = 15_000;

const FINAL = new Set(['COMPLETED', 'FAILED', 'CANCELLED']);

/** Whether an order of this status changes no more. */
export const isFinal = (status) => FINAL.has(status);

export class Follower {
  #id;
  #handlers;
  #patientUntil;
  #etag = null;
  #wait = FIRST_WAIT_MS;
  #awayWait = FIRST_WAIT_AWAY_MS;
  #timer = null;
  #isAsking = false;
  #isStopped = false;

  /**
   * Handlers: `onOrder(order)` for each new version, `onAway()` when the API cannot be read for now and `onBack()` when it can again,
   * `onProblem(problem)` when there is nothing to follow. `isNew`: the order was accepted just now.
   */
  constructor(id, { isNew, ...handlers }) {
    this.#id = id;
    this.#handlers = handlers;
    this.#patientUntil = isNew ? performance.now() + UNKNOWN_LIMIT_MS : 0;
  }

  /** Asks at once, and from there on at a quick pace. */
  now() {
    clearTimeout(this.#timer);
    this.#wait = FIRST_WAIT_MS;
    this.#poll();
  }

  stop() {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  async #poll() {
    if (this.#isAsking || this.#isStopped) return;
    this.#isAsking = true;
    try {
      const wait = await this.#ask();
      if (!this.#isStopped) this.#timer = setTimeout(() => this.#poll(), wait);
    } finally {
      this.#isAsking = false;
    }
  }

  /** One question to the API; returns how long to wait before the next, in ms. */
  async #ask() {
    try {
      const answer = await api.order(this.#id, this.#etag);
      if (!this.#isStopped) this.#answered(answer);
      return this.#nextWait(answer !== null);
    } catch (error) {
      return this.#failed(error);
    }
  }

  #answered(answer) {
    this.#awayWait = FIRST_WAIT_AWAY_MS;
    this.#handlers.onBack();
    if (!answer) return;
    this.#etag = answer.etag;
    if (isFinal(answer.order.status)) this.stop();
    this.#handlers.onOrder(answer.order);
  }

  #nextWait(hasChanged) {
    this.#wait = hasChanged ? FIRST_WAIT_MS : Math.min(this.#wait * GROWTH, LONGEST_WAIT_MS);
    return this.#wait;
  }

  #failed(error) {
    if (error instanceof api.Unreachable || error.isTemporary) {
      if (!this.#isStopped) this.#handlers.onAway();
      const wait = Math.max(this.#awayWait, (error.retryAfterSeconds ?? 0) * 1000);
      this.#awayWait = Math.min(this.#awayWait * 2, LONGEST_WAIT_AWAY_MS);
      return wait;
    }
    if (!(error instanceof api.Problem)) throw error;
    if (error.status === 404 && performance.now() < this.#patientUntil) return this.#nextWait(false);
    if (!this.#isStopped) this.#handlers.onProblem(error);
    this.stop();
    return 0;
  }
}
