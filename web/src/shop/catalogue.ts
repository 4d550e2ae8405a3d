// The catalogue, loaded once for all views.

import { computed, signal } from '@preact/signals';
import { type Failure, failure } from '../api/errors.ts';
import * as api from '../api/client.ts';
import type { Product } from '../api/model.ts';

/** Null until it has come. */
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

/** For views that show names, and do without them when they cannot be had. */
export function need(): void {
  if (!products.value) void load();
}

/** A product's name, or its id while the catalogue is not known. */
export const nameOf = (productID: string): string => byId.value.get(productID)?.name ?? productID;

/** The products whose name and number together hold every word of the text. */
export function matching(products: Product[], text: string): Product[] {
  const words = text.toLowerCase().split(/\s+/);
  return products.filter(({ name, productID }) => {
    const searched = `${name} ${productID}`.toLowerCase();
    return words.every((word) => searched.includes(word));
  });
}
