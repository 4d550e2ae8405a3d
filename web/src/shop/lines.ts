// The line items of the cart, with exact totals. This module uses no DOM.

import type { Contact, Fault, NewOrder, Product } from '../api/model.ts';
import type { Language } from '../i18n/language.ts';
import * as money from '../money.ts';

/** A line item. The quantity is the typed text until the order is sent. */
export interface Line {
  productID: string;
  quantity: string;
}

/** A line item with its product of the catalogue. The product is null if it is no longer sold. */
export interface PricedLine extends Line {
  product: Product | null;
  /** Null while it cannot be calculated. */
  total: money.Minor | null;
}

export interface Details {
  customerID: string;
  paymentMethod: string;
  email: string;
  phone: string;
  /** The only channel for notifications, if both addresses are given. Empty means every channel. */
  channel: '' | 'EMAIL' | 'SMS';
  /** The language of the notifications. */
  language: Language;
}

/** What the order form holds besides the cart. */
export type Filled = Omit<Details, 'customerID' | 'language'>;

export const EMPTY_FORM: Filled = { paymentMethod: 'tok_visa', email: '', phone: '', channel: '' };

/** Adds one unit of a product. */
export function add(lines: Line[], productID: string): Line[] {
  if (!lines.some((line) => line.productID === productID)) return [...lines, { productID, quantity: '1' }];
  return lines.map((line) => (line.productID === productID ? { ...line, quantity: stepped(line.quantity, 1n) } : line));
}

/** Changes a quantity by a number, to at least 1. A text that is not a number counts as 0. */
export function stepped(quantity: string, by: bigint): string {
  const next = (wholeNumber(quantity) ?? 0n) + by;
  return String(next < 1n ? 1n : next);
}

export function price(lines: Line[], catalogue: Map<string, Product>): PricedLine[] {
  return lines.map((line) => {
    const product = catalogue.get(line.productID) ?? null;
    const each = product && money.fromJson(product.unitPrice, product.currency);
    const quantity = wholeNumber(line.quantity);
    return { ...line, product, total: each === null || quantity === null ? null : each * quantity };
  });
}

/** The currency of the order: that of the first line item whose product is known. */
export function currencyOf(lines: PricedLine[]): string | null {
  return lines.find((line) => line.product)?.product?.currency ?? null;
}

/** The total in minor units; null while a line item has no total or another currency. */
export function totalOf(lines: PricedLine[]): money.Minor | null {
  const currency = currencyOf(lines);
  let sum = 0n;
  for (const { product, total } of lines) {
    if (total === null || product?.currency !== currency) return null;
    sum += total;
  }
  return lines.length > 0 ? sum : null;
}

/**
 * Returns the faults that prevent writing the request, with the pointers that the API would use.
 * The API checks everything else.
 */
export function faultsOf(lines: PricedLine[], say: { addOne: string; wholeNumber: string; gone: string; otherCurrency: (currency: string) => string }): Fault[] {
  if (lines.length === 0) return [{ pointer: '/items', message: say.addOne }];
  const currency = currencyOf(lines) ?? '';
  return lines.flatMap(({ product, quantity }, n) => {
    if (!product) return [{ pointer: `/items/${n}`, message: say.gone }];
    if (product.currency !== currency) return [{ pointer: `/items/${n}`, message: say.otherCurrency(currency) }];
    return wholeNumber(quantity) === null ? [{ pointer: `/items/${n}/quantity`, message: say.wholeNumber }] : [];
  });
}

/** The request body of line items without faults. */
export function toOrder(lines: PricedLine[], details: Details): NewOrder {
  const currency = currencyOf(lines) ?? 'USD';
  const { email, phone, channel, language } = details;
  const contact: Contact = { ...(email && { email }), ...(phone && { phone }), ...(email && phone && channel && { channel }) };
  return {
    customerID: details.customerID,
    totalAmount: money.toJson(totalOf(lines) ?? 0n, currency),
    items: lines.map(({ productID, quantity, product }) => ({
      productID,
      quantity: Number(wholeNumber(quantity)),
      unitPrice: product?.unitPrice ?? 0,
    })),
    currency,
    ...(details.paymentMethod && { paymentMethod: details.paymentMethod }),
    ...(Object.keys(contact).length > 0 && { contact: { ...contact, language } }),
  };
}

function wholeNumber(text: string): bigint | null {
  // Longer numbers exceed the API's limit and the exact integers of JSON numbers.
  return /^\d{1,15}$/.test(text.trim()) ? BigInt(text.trim()) : null;
}
