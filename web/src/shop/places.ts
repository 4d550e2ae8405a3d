// Where on the form a fault belongs. The API names it by a JSON pointer into the request body, or by the name of a parameter.

import type { Fault } from '../api/model.ts';

export interface Placed {
  /** Messages by the pointer of the place that shows them. */
  at: Map<string, string[]>;
  /** Faults that no place shows. */
  elsewhere: Fault[];
}

/** Gives each fault to its own place, or to the nearest one that holds it: `/items/3/unitPrice` to `/items/3`, or else to `/items`. */
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
