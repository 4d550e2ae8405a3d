// Text that the API writes for people, in the page's language where it is known, else as it came and marked as English.

import { words } from './words.ts';

/** Text as a sentence of its own: the API's messages start with a small letter, as they follow a field's name in logs. */
export function sentence(text: string): string {
  const start = text.charAt(0).toUpperCase() + text.slice(1);
  return /[\p{L}\p{N})]$/u.test(start) ? `${start}.` : start;
}

/** The text in these words, or null when they have none for it. */
export function translate(text: string, patterns: [RegExp, string][]): string | null {
  const known = patterns.find(([pattern]) => pattern.test(text));
  return known ? text.replace(...known) : null;
}

export function ApiText({ text }: { text: string }) {
  const translated = translate(text, words().api);
  return translated === null ? <span lang="en">{sentence(text)}</span> : <>{sentence(translated)}</>;
}
