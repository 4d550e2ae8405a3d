import { useEffect, useRef, useState } from 'preact/hooks';
import * as api from '../api/client.ts';
import { type Failure, failure } from '../api/errors.ts';
import type { Order } from '../api/model.ts';
import { filledPage } from './filled-page.ts';

/** Loads orders page by page. A `query` of null loads nothing. */
export function useOrderList(query: api.OrderQuery | null) {
  const [items, setItems] = useState<Order[] | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const [trouble, setTrouble] = useState<Failure | null>(null);
  const [isLoading, setLoading] = useState(false);
  // A counter of the requests. The response to an outdated request is ignored.
  const asked = useRef(0);
  const key = JSON.stringify(query);

  const load = async (cursor: string | null) => {
    if (!query) return;
    const turn = ++asked.current;
    setLoading(true);
    try {
      const read = (cursor: string | null) => api.orders(cursor ? { ...query, cursor } : query);
      const page = await filledPage(read, cursor, () => turn === asked.current);
      if (turn !== asked.current) return;
      setItems((known) => (cursor ? [...(known ?? []), ...page.items] : page.items));
      setNext(page.nextCursor);
      setTrouble(null);
    } catch (error) {
      if (turn === asked.current) setTrouble(failure(error));
    }
    if (turn === asked.current) setLoading(false);
  };

  useEffect(() => {
    setItems(null);
    setNext(null);
    setTrouble(null);
    void load(null);
  }, [key]);

  return { items, trouble, isLoading, hasMore: next !== null, more: () => load(next), refresh: () => load(null) };
}
