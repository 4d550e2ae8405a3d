// What the page makes of a shipment. Knows nothing of the page's elements.

import type { ScanEvent } from '../api/model.ts';
import type { Tone } from './status.ts';

const TONES: Record<string, Tone> = { DELIVERED: 'good', LOST: 'bad', RETURNED: 'bad', REFUSED: 'bad', CANCELLED: 'attention' };

export const shipmentTone = (status: string): Tone => (Object.hasOwn(TONES, status) ? TONES[status] : undefined) ?? 'progress';

/** The number of a shipment within its order, which ends its id. */
export const numberOf = (id: string): string => /-(\d+)$/.exec(id)?.[1] ?? id;

/** The id of a shipment's order. */
export const orderOf = (id: string): string => id.replace(/-\d+$/, '');

const MARKS: Record<string, ScanEvent[]> = {
  BOOKED: ['IN_TRANSIT', 'DELIVERED', 'LOST', 'RETURNED'],
  IN_TRANSIT: ['DELIVERED', 'LOST', 'RETURNED'],
};

/** What can be said of a shipment: it only goes forward. */
export const marksOf = (status: string): ScanEvent[] => (Object.hasOwn(MARKS, status) ? MARKS[status] : undefined) ?? [];

/** Whether that is an end at which its part of the order is paid back. */
export const doesNotArrive = (event: ScanEvent): boolean => event === 'LOST' || event === 'RETURNED';

/** An address of a carrier that can be linked to: another scheme than https would run code or send the number in the clear. */
export function safeLink(url: string | null | undefined): string | null {
  return url && URL.canParse(url) && new URL(url).protocol === 'https:' ? url : null;
}
