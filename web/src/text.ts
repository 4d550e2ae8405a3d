// Parts of text as readers see them. A letter with its accents counts as one character, and so does
// an emoji of several code points.

const segmenter = typeof Intl.Segmenter === 'function' ? new Intl.Segmenter() : null;

/** The graphemes of a text. In browsers without Intl.Segmenter: its code points. */
export function graphemes(text: string): string[] {
  return segmenter ? Array.from(segmenter.segment(text), ({ segment }) => segment) : Array.from(text);
}

/** The initials of a name: the first characters of its first two words. */
export function initials(name: string): string {
  const words = name.split(/\s+/).filter((word) => word !== '');
  return words.slice(0, 2).map((word) => (graphemes(word)[0] ?? '').toUpperCase()).join('');
}

/**
 * The beginning of a text with at most `maxChars` code points, which is how the API counts. No
 * grapheme is cut in two.
 */
export function capped(text: string, maxChars: number): string {
  let left = maxChars;
  const kept: string[] = [];
  for (const character of graphemes(text)) {
    left -= Array.from(character).length;
    if (left < 0) break;
    kept.push(character);
  }
  return kept.join('');
}
