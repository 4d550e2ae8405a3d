// What the page says of things that need attention. Knows nothing of the page's elements.

/** The API counts no further. */
const COUNTED = 1000;

export const countOf = (count: number) => (count >= COUNTED ? `≥ ${COUNTED}` : String(count));

/** The order that an id names: an order's own, or a shipment's, which begins with it. */
export const orderOf = (id: string) => id.match(/^ord_[0-9a-f]{32}/)?.[0] ?? null;
