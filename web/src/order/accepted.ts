// The order that was just placed, as the API accepted it. It is shown at once, before the read
// model has it.

import type { Order } from '../api/model.ts';

let last: Order | null = null;

export function accepted(order: Order): void {
  last = order;
}

export const acceptedNow = (id: string): Order | null => (last?.id === id ? last : null);
