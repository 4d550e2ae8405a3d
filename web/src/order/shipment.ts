// What the page makes of a shipment. Knows nothing of the page's elements.

import type { Tone } from './status.ts';

const TONES: Record<string, Tone> = { DELIVERED: 'good', LOST: 'bad', RETURNED: 'bad', REFUSED: 'bad', CANCELLED: 'attention' };

export const shipmentTone = (status: string): Tone => (Object.hasOwn(TONES, status) ? TONES[status] : undefined) ?? 'progress';

/** The number of a shipment within its order, which ends its id. */
export const numberOf = (id: string): string => /-(\d+)$/.exec(id)?.[1] ?? id;

/** An address of a carrier that can be linked to: another scheme than https would run code or send the number in the clear. */
export function safeLink(url: string | null | undefined): string | null {
  return url && URL.canParse(url) && new URL(url).protocol === 'https:' ? url : null;
}
