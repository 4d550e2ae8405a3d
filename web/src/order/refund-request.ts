// Builds a refund request from the form's input. This module uses no DOM.

import type { Fault, NewRefund, Order } from '../api/model.ts';
import * as money from '../money.ts';

export interface RefundForm {
  what: 'rest' | 'amount' | 'items';
  amount: string;
  /** The typed quantities by product id. Empty text counts as no units. */
  quantities: Record<string, string>;
  /** True if the units have come back and can be sold again. */
  restock: boolean;
  reason: string;
}

export interface Units {
  productID: string;
  quantity: number;
}

type Paid = Pick<Order, 'items' | 'currency' | 'payment'>;

/**
 * The units that can be refunded. The API accepts each product only once, so line items of the same
 * product are added up.
 */
export function unitsOf({ items }: Pick<Order, 'items'>): Units[] {
  const units = new Map<string, number>();
  for (const { productID, quantity } of items) units.set(productID, (units.get(productID) ?? 0) + quantity);
  return [...units].map(([productID, quantity]) => ({ productID, quantity })).filter(({ quantity }) => quantity > 0);
}

/** The amount that is not refunded yet, in minor units; null if no payment is captured. */
export function restOf({ payment, currency }: Pick<Order, 'payment' | 'currency'>): money.Minor | null {
  if (!payment || !['CAPTURED', 'PARTIALLY_REFUNDED'].includes(payment.status)) return null;
  const paid = money.fromJson(payment.amount, currency);
  const refunded = money.fromJson(payment.refundedAmount ?? 0, currency);
  return paid === null || refunded === null ? null : paid - refunded;
}

/** The products with a typed quantity, in the sequence of the request's items. */
export function chosen({ quantities }: RefundForm, order: Paid): Units[] {
  return unitsOf(order).filter(({ productID }) => !/^0*$/.test(quantities[productID]?.trim() ?? ''));
}

export interface Say {
  anAmount: string;
  chooseUnits: string;
  atMost: (most: string) => string;
  wholeNumber: string;
}

/**
 * Returns the faults that prevent writing the request, and the faults of an amount or a quantity
 * that is larger than the order permits. The API checks everything else.
 */
export function faultsOf(form: RefundForm, order: Paid, say: Say): Fault[] {
  if (form.what === 'amount') {
    const amount = money.fromText(form.amount, order.currency);
    const rest = restOf(order) ?? 0n;
    if (amount === null) return [{ pointer: '/amount', message: say.anAmount }];
    return amount > rest ? [{ pointer: '/amount', message: say.atMost(money.toDecimal(rest, order.currency)) }] : [];
  }
  if (form.what === 'rest') return [];
  const units = chosen(form, order);
  if (units.length === 0) return [{ pointer: '/items', message: say.chooseUnits }];
  return units.flatMap(({ productID, quantity }, n) => {
    const pointer = `/items/${n}/quantity`;
    const asked = form.quantities[productID]?.trim() ?? '';
    if (!/^\d{1,9}$/.test(asked)) return [{ pointer, message: say.wholeNumber }];
    return Number(asked) > quantity ? [{ pointer, message: say.atMost(String(quantity)) }] : [];
  });
}

/** The request body of a form without faults. */
export function toRefund(form: RefundForm, order: Paid): NewRefund {
  const { what, restock } = form;
  const reason = form.reason.trim();
  return {
    ...(what === 'amount' && { amount: money.toJson(money.fromText(form.amount, order.currency) ?? 0n, order.currency) }),
    ...(what === 'items' && { items: chosen(form, order).map(({ productID }) => ({ productID, quantity: Number(form.quantities[productID]) })) }),
    ...(what !== 'amount' && restock && { restock }),
    ...(reason && { reason }),
  };
}
