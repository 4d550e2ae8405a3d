import { useEffect, useRef, useState } from 'preact/hooks';
import * as api from '../api/client.ts';
import type { Refused } from '../api/errors.ts';
import type { Order } from '../api/model.ts';
import { acceptedNow } from './accepted.ts';
import { Follower } from './follower.ts';

/** One order, kept up to date while the tab is visible. */
export function useOrder(id: string) {
  const accepted = acceptedNow(id);
  const [order, setOrder] = useState<Order | null>(accepted);
  const [isAway, setAway] = useState(false);
  const [refusal, setRefusal] = useState<Refused | null>(null);
  const follower = useRef<Follower | null>(null);

  useEffect(() => {
    const following = new Follower({ ask: (etag) => api.order(id, etag), onOrder: setOrder, onReach: setAway, onRefused: setRefusal }, accepted !== null);
    follower.current = following;
    const look = () => (document.hidden ? following.pause() : following.now());
    document.addEventListener('visibilitychange', look);
    window.addEventListener('online', look);
    look();
    return () => {
      following.stop();
      document.removeEventListener('visibilitychange', look);
      window.removeEventListener('online', look);
    };
  }, [id]);

  return { order, isAway, refusal, ask: () => follower.current?.now(), expect: () => follower.current?.expect() };
}
