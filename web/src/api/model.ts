// The types of the API's JSON, from its OpenAPI document.

import type { components } from './schema.ts';

type Schemas = components['schemas'];

export type Product = Schemas['Product'];
export type Contact = Schemas['Contact'];
export type NewOrder = Schemas['NewOrder'];
export type NewRefund = Schemas['NewRefund'];
export type NewRestock = Schemas['Restock'];
export type Restocked = Schemas['Restocked'];
export type ScanEvent = Schemas['Scan']['event'];
export type Item = Schemas['Item'];
export type OrderStatus = Schemas['OrderStatus'];
export type Health = Schemas['Health'];
export type Overview = Schemas['Operations'];
export type AttentionGroup = Schemas['Attention']['groups'][number];
export type History = Schemas['OperationsHistory'];
export type Bucket = History['buckets'][number];
export type Period = History['period'];
export type Fault = Schemas['Fault'];

/**
 * An order, including values that only a newer API knows. The page shows an unknown value by its
 * name.
 */
export interface Order extends Omit<Schemas['Order'], 'status' | 'history' | 'payment' | 'refunds' | 'shipments' | 'notifications'> {
  status: OrderStatus | (string & {});
  history: { status: OrderStatus | (string & {}); at: string }[];
  payment: { status: string; amount: number; refundedAmount?: number } | null;
  refunds?: Refund[];
  shipments?: Shipment[];
  notifications?: Notification[];
}

export interface Shipment {
  /** The order's id, a hyphen, and the shipment's number within the order. */
  id: string;
  status: string;
  carrier?: string | null;
  trackingNumber?: string | null;
  trackingUrl?: string | null;
  /** Why the shipment does not arrive. */
  reason?: string | null;
  items?: { productID: string; quantity: number }[];
}

export interface Refund {
  id: string;
  amount: number;
  status: string;
  reason?: string | null;
  /** Why the refund failed. */
  failureReason?: string | null;
}

export interface Notification {
  type: string;
  channel: string;
  at: string;
}

/** How an order was processed, including parts that only a newer API knows. */
export interface Trace extends Omit<Schemas['OrderTrace'], 'spans'> {
  spans: Span[];
}

/** A step of a trace. */
export interface Span extends Omit<Schemas['Span'], 'part'> {
  part: string;
}
