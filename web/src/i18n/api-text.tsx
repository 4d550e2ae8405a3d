// Text that the API writes for people. It is shown in the page's language if there is a
// translation. Otherwise it is shown unchanged and marked as English.

import { words } from './words.ts';

/**
 * Turns a text into a sentence. Messages of the API begin with a small letter, because in logs they
 * follow the name of a field.
 */
export function sentence(text: string): string {
  const start = text.charAt(0).toUpperCase() + text.slice(1);
  return /[\p{L}\p{N})]$/u.test(start) ? `${start}.` : start;
}

/** Translates a text by the first pattern that matches it; null if none does. */
export function translate(text: string, patterns: [RegExp, string][]): string | null {
  const known = patterns.find(([pattern]) => pattern.test(text));
  return known ? text.replace(...known) : null;
}

export function ApiText({ text }: { text: string }) {
  const translated = translate(text, words().api);
  return translated === null ? <span lang="en">{sentence(text)}</span> : <>{sentence(translated)}</>;
}
