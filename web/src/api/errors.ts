// How a call can fail: nobody answered, or the API refused.

import type { Fault } from './model.ts';

/** Nobody answered: the network, the API or something between them is away, and whether the call had an effect is unknown. */
export class Unreachable extends Error {
  constructor(cause: unknown) {
    super('no answer', { cause });
  }
}

/** An answer other than the expected one, as RFC 9457 problem details; what lies between may answer otherwise. */
export class Refused extends Error {
  readonly status: number;
  /** Last part of the problem's type URI, empty when it is none of the API's. */
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

  /** The API is there, but cannot do it now. */
  get isTemporary(): boolean {
    return this.status >= 500 || this.status === 429;
  }
}

export type Failure = Unreachable | Refused;

/** The failure of a call; anything else that was thrown is a fault of the page and goes on. */
export function failure(error: unknown): Failure {
  if (error instanceof Unreachable || error instanceof Refused) return error;
  throw error;
}

/** Whether the same call may do later what it could not now. */
export function isAway(error: Failure): boolean {
  return error instanceof Unreachable || error.isTemporary;
}
