// Assigns faults to the fields of a form. The API names the place of a fault by a JSON pointer into
// the request body, or by the name of a parameter.

import type { Fault } from '../api/model.ts';

export interface Placed {
  /** Error messages by the pointer of the place that shows them. */
  at: Map<string, string[]>;
  /** Faults that no place shows. */
  elsewhere: Fault[];
}

/**
 * Assigns each fault to its own place, or else to the nearest place that contains it. For example,
 * `/items/3/unitPrice` goes to `/items/3`, or else to `/items`.
 */
export function placed(faults: Fault[], places: ReadonlySet<string>): Placed {
  const at = new Map<string, string[]>();
  const elsewhere: Fault[] = [];
  for (const fault of faults) {
    let place = fault.pointer;
    while (place && !places.has(place)) place = place.slice(0, Math.max(0, place.lastIndexOf('/')));
    if (place) at.set(place, [...(at.get(place) ?? []), fault.message]);
    else elsewhere.push(fault);
  }
  return { at, elsewhere };
}
