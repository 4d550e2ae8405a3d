import { useEffect, useState } from 'preact/hooks';
import * as api from '../api/client.ts';
import { type Failure, failure } from '../api/errors.ts';
import type { Order } from '../api/model.ts';
import { OPEN } from '../order/status.ts';
import { byUrgency } from './open-orders.ts';
import { useRepeatedly } from './use-repeatedly.ts';

const EVERY_MS = 10_000;
/**
 * How many orders of each open status are loaded. The oldest are loaded, so that stuck orders are
 * among them.
 */
const LIMIT = 20;

/**
 * The open orders of all customers, kept up to date. The result has the form of `useOrderList`,
 * without further pages.
 */
export function useOpenOrders() {
  const [items, setItems] = useState<Order[] | null>(null);
  const [trouble, setTrouble] = useState<Failure | null>(null);
  const [isLoading, setLoading] = useState(true);

  const refresh = async () => {
    try {
      const pages = await Promise.all(OPEN.map((status) => api.orders({ status, sort: 'oldest', limit: LIMIT })));
      setItems(byUrgency(pages.flatMap(({ items }) => items)));
      setTrouble(null);
    } catch (error) {
      setTrouble(failure(error));
    }
    setLoading(false);
  };
  useEffect(() => void refresh(), []);
  useRepeatedly(refresh, EVERY_MS);

  return { items, trouble, isLoading, hasMore: false, more: refresh, refresh };
}
