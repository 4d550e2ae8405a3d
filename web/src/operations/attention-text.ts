// Texts about things that need attention. This module uses no DOM.

/** The largest count that the API returns. It stops counting there. */
const COUNTED = 1000;

export const countOf = (count: number) => (count >= COUNTED ? `≥ ${COUNTED}` : String(count));

/** Returns the order id at the beginning of an order id or shipment id; null if there is none. */
export const orderOf = (id: string) => id.match(/^ord_[0-9a-f]{32}/)?.[0] ?? null;
