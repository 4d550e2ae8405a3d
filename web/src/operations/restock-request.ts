// What staff say has come in, from what they have typed. Knows nothing of the page's elements.

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

/** Faults that keep the request from being written; the API checks everything else. */
export function faultsOf({ productID, quantity }: Delivery, say: Say): Fault[] {
  const faults: Fault[] = [];
  if (!productID) faults.push({ pointer: '/productID', message: say.chooseProduct });
  if (!/^\d{1,9}$/.test(quantity.trim())) faults.push({ pointer: '/quantity', message: say.wholeNumber });
  return faults;
}

/** The request body, of a delivery without faults. */
export function toRestock({ quantity, reason }: Delivery): NewRestock {
  const why = reason.trim();
  return { quantity: Number(quantity), ...(why && { reason: why }) };
}

/** What is sold out first: that is mostly what came in. */
export function byNeed(products: Product[]): Product[] {
  return [...products].sort((a, b) => Number(a.inStock) - Number(b.inStock) || a.name.localeCompare(b.name));
}
