// The header `traceparent` (W3C Trace Context), with which a call of the page begins a trace.

/**
 * A header with new ids. It does not ask for the trace to be recorded, because the page records
 * nothing itself: the API decides by the trace's id.
 */
export function newTraceparent(): string {
  return `00-${randomHex(16)}-${randomHex(8)}-00`;
}

/** Random bytes in hexadecimal digits. They are not all zero, because such ids are not valid. */
function randomHex(bytes: number): string {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  if (random.every((byte) => byte === 0)) return randomHex(bytes);
  return [...random].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
