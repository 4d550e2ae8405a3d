// What the API's JSON holds, from its OpenAPI document.

import type { components } from './schema.ts';

type Schemas = components['schemas'];

export type Product = Schemas['Product'];
export type NewOrder = Schemas['NewOrder'];
export type OrderStatus = Schemas['OrderStatus'];
export type Health = Schemas['Health'];
export type Fault = Schemas['Fault'];

/** An order, with what a newer API may tell of it. A status that the page does not know yet is shown by its name. */
export type Order = Omit<Schemas['Order'], 'status' | 'history' | 'payment'> & {
  status: OrderStatus | (string & {});
  history: { status: OrderStatus | (string & {}); at: string }[];
  payment: { status: string; amount: number; refundedAmount?: number } | null;
  /** What was done is being undone. */
  compensating?: boolean;
  shipments?: Shipment[];
  refunds?: Refund[];
};

export interface Shipment {
  id: string;
  status: string;
  carrier?: string | null;
  trackingNumber?: string | null;
  items?: { productID: string; quantity: number }[];
}

export interface Refund {
  id: string;
  amount: number;
  status: string;
  reason?: string | null;
}
