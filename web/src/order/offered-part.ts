// The offer of an order that is ACTION_REQUIRED: its quantities and its total.

import type { Order } from '../api/model.ts';
import * as money from '../money.ts';

export interface Available {
  productID: string;
  quantity: number;
  available: number;
}

export interface WhatThereIs {
  lines: Available[];
  /** Null if a price cannot be read. */
  total: money.Minor | null;
}

export function offeredPart({ items, currency }: Pick<Order, 'items' | 'currency'>): WhatThereIs {
  let total: money.Minor | null = 0n;
  const lines = items.map(({ productID, quantity, available = quantity, unitPrice }) => {
    const each = money.fromJson(unitPrice, currency);
    total = total === null || each === null ? null : total + each * BigInt(available);
    return { productID, quantity, available };
  });
  return { lines, total };
}
