// The two kinds of failed calls: no response, or a refusal.

import type { Fault } from './model.ts';

/**
 * There was no response: the network, the API or something between them is unavailable. It is
 * unknown whether the call had an effect.
 */
export class Unreachable extends Error {
  constructor(cause: unknown) {
    super('no answer', { cause });
  }
}

/**
 * An unexpected response with RFC 9457 problem details. A proxy in front of the API may respond
 * without such details.
 */
export class Refused extends Error {
  readonly status: number;
  /** The last part of the problem's type URI; empty if the response is not from the API. */
  readonly kind: string;
  readonly faults: Fault[];
  readonly retryAfterSeconds: number;

  constructor(response: Response, body: unknown) {
    const problem = (typeof body === 'object' && body !== null ? body : {}) as { type?: string; title?: string; detail?: string; errors?: Fault[] };
    super(problem.detail ?? problem.title ?? `HTTP ${response.status}`);
    this.status = response.status;
    this.kind = problem.type?.split('/').at(-1) ?? '';
    this.faults = problem.errors ?? [];
    this.retryAfterSeconds = Number(response.headers.get('Retry-After')) || 0;
  }

  /** True if the API is available but cannot do this now (5xx or 429). */
  get isTemporary(): boolean {
    return this.status >= 500 || this.status === 429;
  }
}

export type Failure = Unreachable | Refused;

/** Returns the failure of a call. Any other error is a defect of the page, and is thrown again. */
export function failure(error: unknown): Failure {
  if (error instanceof Unreachable || error instanceof Refused) return error;
  throw error;
}

/** Whether the call may succeed later. */
export function isAway(error: Failure): boolean {
  return error instanceof Unreachable || error.isTemporary;
}
