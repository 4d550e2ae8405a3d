// A page of a long history may hold no order and not be the last.

interface Page<T> {
  items: T[];
  nextCursor: string | null;
}

/** The first page from a cursor on that holds something, or else the last; fewer are read once nobody wants it. */
export async function filledPage<T>(
  read: (cursor: string | null) => Promise<Page<T>>,
  from: string | null,
  isWanted: () => boolean,
): Promise<Page<T>> {
  let page = await read(from);
  while (page.items.length === 0 && page.nextCursor !== null && isWanted()) page = await read(page.nextCursor);
  return page;
}
