// What the page derives from a shipment. This module uses no DOM.

import type { ScanEvent } from '../api/model.ts';
import type { Tone } from './status.ts';

const TONES: Record<string, Tone> = { DELIVERED: 'good', LOST: 'bad', RETURNED: 'bad', REFUSED: 'bad', CANCELLED: 'attention' };

export const shipmentTone = (status: string): Tone => (Object.hasOwn(TONES, status) ? TONES[status] : undefined) ?? 'progress';

/** The number of a shipment within its order: the end of its id. */
export const numberOf = (id: string): string => /-(\d+)$/.exec(id)?.[1] ?? id;

/** The id of the shipment's order. */
export const orderOf = (id: string): string => id.replace(/-\d+$/, '');

const MARKS: Record<string, ScanEvent[]> = {
  BOOKED: ['IN_TRANSIT', 'DELIVERED', 'LOST', 'RETURNED'],
  IN_TRANSIT: ['DELIVERED', 'LOST', 'RETURNED'],
};

/** The tracking events that can still be recorded: a shipment only moves forward. */
export const marksOf = (status: string): ScanEvent[] => (Object.hasOwn(MARKS, status) ? MARKS[status] : undefined) ?? [];

/**
 * Whether the event means that the shipment does not arrive. Its part of the order is then
 * refunded.
 */
export const doesNotArrive = (event: ScanEvent): boolean => event === 'LOST' || event === 'RETURNED';

/**
 * Returns a carrier's tracking address if it is safe to link to, or else null. Only https is safe:
 * other schemes could run code or send the tracking number unencrypted.
 */
export function safeLink(url: string | null | undefined): string | null {
  return url && URL.canParse(url) && new URL(url).protocol === 'https:' ? url : null;
}
