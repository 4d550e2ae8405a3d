// Builds a restock request from the form's input. This module uses no DOM.

import type { Fault, NewRestock, Product } from '../api/model.ts';

export interface Delivery {
  productID: string;
  quantity: string;
  reason: string;
}

export interface Say {
  chooseProduct: string;
  wholeNumber: string;
}

/** Returns the faults that prevent writing the request. The API checks everything else. */
export function faultsOf({ productID, quantity }: Delivery, say: Say): Fault[] {
  const faults: Fault[] = [];
  if (!productID) faults.push({ pointer: '/productID', message: say.chooseProduct });
  if (!/^\d{1,9}$/.test(quantity.trim())) faults.push({ pointer: '/quantity', message: say.wholeNumber });
  return faults;
}

/** The request body of a delivery without faults. */
export function toRestock({ quantity, reason }: Delivery): NewRestock {
  const why = reason.trim();
  return { quantity: Number(quantity), ...(why && { reason: why }) };
}

/** Sorts products: sold-out ones first, because they are the most likely to be restocked. */
export function byNeed(products: Product[]): Product[] {
  return [...products].sort((a, b) => Number(a.inStock) - Number(b.inStock) || a.name.localeCompare(b.name));
}
