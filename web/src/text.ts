// Parts of text as readers see them: a letter with its accents, or an emoji made of several code points, is one.

const segmenter = typeof Intl.Segmenter === 'function' ? new Intl.Segmenter() : null;

/** The characters as they are seen; in browsers that cannot tell, its code points. */
export function graphemes(text: string): string[] {
  return segmenter ? Array.from(segmenter.segment(text), ({ segment }) => segment) : Array.from(text);
}

/** What stands for a name: the first characters of its first two words. */
export function initials(name: string): string {
  const words = name.split(/\s+/).filter((word) => word !== '');
  return words.slice(0, 2).map((word) => (graphemes(word)[0] ?? '').toUpperCase()).join('');
}

/** The start of a text with at most so many code points, which is how the API counts; no character is cut in two. */
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
