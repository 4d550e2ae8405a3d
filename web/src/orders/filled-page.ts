// A page of a long list of orders may be empty without being the last one.

interface Page<T> {
  items: T[];
  nextCursor: string | null;
}

/**
 * Reads pages from a cursor on. Returns the first page that is not empty, or else the last page. It
 * stops early when `isWanted` returns false.
 */
export async function filledPage<T>(
  read: (cursor: string | null) => Promise<Page<T>>,
  from: string | null,
  isWanted: () => boolean,
): Promise<Page<T>> {
  let page = await read(from);
  while (page.items.length === 0 && page.nextCursor !== null && isWanted()) page = await read(page.nextCursor);
  return page;
}
