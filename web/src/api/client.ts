// The client of the HTTP API, typed by its OpenAPI document. A call returns a value or throws an
// error of errors.ts.

import createClient from 'openapi-fetch';
import { getConfig } from '../config.ts';
import { refused, token } from '../sign-in/session.ts';
import { Refused, Unreachable } from './errors.ts';
import type { Health, History, NewOrder, NewRefund, NewRestock, Order, Overview, Period, Product, Restocked, ScanEvent, Trace } from './model.ts';
import type { paths } from './schema.ts';
import { newTraceparent } from './traceparent.ts';

/** The longest wait for a response. The API itself waits much less for its dependencies. */
const TIMEOUT_MS = 10_000;

const client = createClient<paths>({
  baseUrl: '',
  async fetch(request) {
    const bearer = token();
    if (bearer) request.headers.set('Authorization', `Bearer ${bearer}`);
    if (getConfig().traces) request.headers.set('traceparent', newTraceparent());
    try {
      return await fetch(request, { cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT_MS) });
    } catch (error) {
      throw new Unreachable(error);
    }
  },
});

interface Answer<Body> {
  data?: Body;
  error?: unknown;
  response: Response;
}

async function call<Body>(answer: Promise<Answer<Body>>): Promise<{ body: Body; response: Response }> {
  const { data, error, response } = await answer.catch((error) => {
    // A response that breaks off or is not JSON counts as no response.
    throw error instanceof Unreachable ? error : new Unreachable(error);
  });
  if (response.status === 401) refused();
  if (data === undefined || typeof data !== 'object') throw new Refused(response, error);
  return { body: data, response };
}

export async function products(): Promise<Product[]> {
  const { body } = await call(client.GET('/api/products'));
  return body.items;
}

/** Places an order. Repeated calls with the same key and the same order create one order. */
export async function placeOrder(order: NewOrder, idempotencyKey: string): Promise<Order> {
  const { body } = await call(client.POST('/api/orders', { params: { header: { 'Idempotency-Key': idempotencyKey } }, body: order }));
  return body as Order;
}

/** Returns the order with its entity tag, or null if it still has the entity tag `etag`. */
export async function order(id: string, etag: string | null): Promise<{ order: Order; etag: string | null } | null> {
  const header = etag ? { 'If-None-Match': etag } : {};
  const answer = client.GET('/api/orders/{id}', { params: { path: { id }, header } });
  try {
    const { body, response } = await call(answer);
    return { order: body as Order, etag: response.headers.get('ETag') };
  } catch (error) {
    if (error instanceof Refused && error.status === 304) return null;
    throw error;
  }
}

/** Requests the cancellation of an order. The order itself shows the result. */
export async function cancel(id: string, reason: string): Promise<void> {
  await call(client.POST('/api/orders/{id}/cancel', { params: { path: { id } }, body: reason ? { reason } : {} }));
}

/** Takes the offer of an order that is ACTION_REQUIRED. */
export async function amend(id: string): Promise<void> {
  await call(client.POST('/api/orders/{id}/amend', { params: { path: { id } }, body: {} }));
}

/** Approves or declines an order, for staff. Only staff see the note. */
export async function review(id: string, approved: boolean, note: string): Promise<void> {
  await call(client.POST('/api/orders/{id}/review', { params: { path: { id } }, body: { approved, ...(note && { note }) } }));
}

/** Requests a refund, for admins. The order shows the result. */
export async function refund(id: string, refund: NewRefund, idempotencyKey: string): Promise<void> {
  const params = { path: { id }, header: { 'Idempotency-Key': idempotencyKey } };
  await call(client.POST('/api/orders/{id}/refunds', { params, body: refund }));
}

/** Records a tracking event of a shipment, for staff. Repeating it changes nothing. */
export async function mark(id: string, shipmentID: string, event: ScanEvent, reason: string): Promise<void> {
  const params = { path: { id, shipmentID } };
  await call(client.POST('/api/orders/{id}/shipments/{shipmentID}/scans', { params, body: { event, ...(reason && { reason }) } }));
}

/**
 * Adds received units to a product's stock, for admins. If the result has no `stock`, the restock
 * is accepted but not done yet.
 */
export async function restock(productID: string, restock: NewRestock, idempotencyKey: string): Promise<Restocked> {
  const params = { path: { id: productID }, header: { 'Idempotency-Key': idempotencyKey } };
  return (await call(client.POST('/api/products/{id}/restock', { params, body: restock }))).body;
}

export interface OrderQuery {
  customerID?: string;
  status?: string;
  sort?: 'newest' | 'oldest';
  limit?: number;
  cursor?: string;
}

/** A page of orders, and the cursor of the next page. */
export async function orders(query: OrderQuery): Promise<{ items: Order[]; nextCursor: string | null }> {
  // Cast, because the page may ask for a status that only a newer API knows.
  type Query = NonNullable<paths['/api/orders']['get']['parameters']['query']>;
  const { body } = await call(client.GET('/api/orders', { params: { query: query as Query } }));
  return { items: body.items as Order[], nextCursor: body.nextCursor };
}

/** The length of the queues, and what needs attention, for staff. */
export async function operations(): Promise<Overview> {
  return (await call(client.GET('/api/operations'))).body;
}

/** What happened in the last hour, day or week, for staff. */
export async function history(period: Period): Promise<History> {
  return (await call(client.GET('/api/operations/history', { params: { query: { period } } }))).body;
}

/** How an order was processed, for staff. Null if the order has no trace. */
export async function trace(id: string): Promise<Trace | null> {
  try {
    return (await call(client.GET('/api/orders/{id}/trace', { params: { path: { id } } }))).body;
  } catch (error) {
    if (error instanceof Refused && error.status === 404) return null;
    throw error;
  }
}

/** The health of each dependency. The API answers this even if some of them are down. */
export async function health(): Promise<Health> {
  const { data, error, response } = await client.GET('/api/health').catch((error) => {
    throw error instanceof Unreachable ? error : new Unreachable(error);
  });
  const body = data ?? error;
  if (typeof body === 'object' && body !== null && 'dependencies' in body) return body;
  throw new Refused(response, body);
}
