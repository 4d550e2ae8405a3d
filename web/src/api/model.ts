// What the API's JSON holds, from its OpenAPI document.

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
export type Fault = Schemas['Fault'];

/** An order, with what a newer API may tell of it. What the page does not know yet is shown by its name. */
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
  /** Why it does not arrive. */
  reason?: string | null;
  items?: { productID: string; quantity: number }[];
}

export interface Refund {
  id: string;
  amount: number;
  status: string;
  reason?: string | null;
  /** Why nothing was given back. */
  failureReason?: string | null;
}

export interface Notification {
  type: string;
  channel: string;
  at: string;
}
