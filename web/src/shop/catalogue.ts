// The catalogue. It is loaded once for all views.

import { computed, signal } from '@preact/signals';
import { type Failure, failure } from '../api/errors.ts';
import * as api from '../api/client.ts';
import type { Product } from '../api/model.ts';

/** Null until the catalogue is loaded. */
export const products = signal<Product[] | null>(null);
export const trouble = signal<Failure | null>(null);

export const byId = computed(() => new Map((products.value ?? []).map((product) => [product.productID, product])));

export async function load(): Promise<void> {
  try {
    products.value = (await api.products()).sort((a, b) => a.name.localeCompare(b.name));
    trouble.value = null;
  } catch (error) {
    trouble.value = failure(error);
  }
}

/** Loads the catalogue for views that show product names, but also work without them. */
export function need(): void {
  if (!products.value) void load();
}

/** The name of a product, or its id while the catalogue is not loaded. */
export const nameOf = (productID: string): string => byId.value.get(productID)?.name ?? productID;

/** The products whose name and id together contain every word of the text. */
export function matching(products: Product[], text: string): Product[] {
  const words = text.toLowerCase().split(/\s+/);
  return products.filter(({ name, productID }) => {
    const searched = `${name} ${productID}`.toLowerCase();
    return words.every((word) => searched.includes(word));
  });
}
