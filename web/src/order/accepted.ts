// The order that was placed just now, as the API accepted it: shown at once, before readers know it.

import type { Order } from '../api/model.ts';

let last: Order | null = null;

export function accepted(order: Order): void {
  last = order;
}

export const acceptedNow = (id: string): Order | null => (last?.id === id ? last : null);
