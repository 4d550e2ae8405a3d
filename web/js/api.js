// The HTTP API as the page uses it. A call either gives a value, or throws Unreachable (no answer) or Problem (the API's refusal).

/** Longest wait for an answer. The API gives up on its own dependencies well before. */
const TIMEOUT_MS = 10_000;

/** Nobody answered: the network, the API or something between them is away, and whether the call had an effect is unknown. */
export class Unreachable extends Error {}

/** An answer other than the expected one, as RFC 9457 problem details. */
export class Problem extends Error {
  constructor(response, body) {
    super(body?.detail ?? body?.title ?? `The service answered with status ${response.status}.`);
    this.status = response.status;
    /** [{pointer, message}], each naming a place in the request. */
    this.faults = body?.errors ?? [];
    this.retryAfterSeconds = Number(response.headers.get('Retry-After')) || null;
  }

  /** The API is there, but cannot do it now. */
  get isTemporary() {
    return this.status >= 500 || this.status === 429;
  }
}

async function call(path, options = {}) {
  try {
    const response = await fetch(`/api${path}`, { cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT_MS), ...options });
    const isJson = /\bjson\b/.test(response.headers.get('Content-Type') ?? '');
    return { response, body: isJson ? await response.json() : null };
  } catch (error) {
    throw new Unreachable('no answer', { cause: error });
  }
}

export async function products() {
  const { response, body } = await call('/products');
  if (!response.ok || !body) throw new Problem(response, body);
  return body.items;
}

/** Places the order of this JSON text. With the same key, any number of calls make one order. */
export async function placeOrder(json, idempotencyKey) {
  const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': idempotencyKey };
  const { response, body } = await call('/orders', { method: 'POST', headers, body: json });
  if (!response.ok || !body?.id) throw new Problem(response, body);
  return body;
}

/** The order with its ETag, or null when it is still the one known by `etag`. */
export async function order(id, etag) {
  const headers = etag ? { 'If-None-Match': etag } : {};
  const { response, body } = await call(`/orders/${encodeURIComponent(id)}`, { headers });
  if (response.status === 304) return null;
  if (!response.ok || !body) throw new Problem(response, body);
  return { order: body, etag: response.headers.get('ETag') };
}

/** Asks for an order to be cancelled; what becomes of it shows in the order itself. */
export async function cancel(id) {
  const { response, body } = await call(`/orders/${encodeURIComponent(id)}/cancel`, { method: 'POST' });
  if (!response.ok) throw new Problem(response, body);
}
