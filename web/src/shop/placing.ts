// Placing an order once. Sends an attempt, keeps it until the API has answered, and reports the
// result.

import { useLocation } from 'preact-iso';
import { useEffect, useRef, useState } from 'preact/hooks';
import { type Attempt, Attempts } from '../api/attempts.ts';
import * as api from '../api/client.ts';
import { failure, isAway, Refused } from '../api/errors.ts';
import type { Fault, NewOrder } from '../api/model.ts';
import { accepted } from '../order/accepted.ts';
import { mayOrder } from '../sign-in/session.ts';
import { cart } from './cart.ts';
import { load } from './catalogue.ts';

/** The result of the last attempt. */
export type Outcome =
  | { kind: 'none' }
  /**
   * The API did not answer or is unavailable, so the attempt can be repeated. `isKnown` means that
   * the API answered, so it is certain that there is no order.
   */
  | { kind: 'away'; isKnown: boolean }
  | { kind: 'refused'; faults: Fault[]; message: string | null };

export type Stage = 'idle' | 'placing' | 'resuming';

const attempts = new Attempts<NewOrder>('order');
/**
 * The pointers of faults that result from a difference between the order and the API's catalogue.
 */
const OF_CATALOGUE = /^\/(items\/\d+\/(productID|unitPrice)|currency)$/;

export function usePlacing() {
  const { route } = useLocation();
  const [stage, setStage] = useState<Stage>('idle');
  const [outcome, setOutcome] = useState<Outcome>({ kind: 'none' });
  // A ref, because component state changes too late to stop the second click of a double click.
  const isSending = useRef(false);

  async function send({ key, request }: Attempt<NewOrder>, as: Stage) {
    if (isSending.current) return;
    isSending.current = true;
    setStage(as);
    try {
      const placed = await api.placeOrder(request, key);
      attempts.answered();
      cart.value = [];
      accepted(placed);
      route(`/orders/${placed.id}`);
    } catch (error) {
      const outcome = outcomeOf(error);
      setOutcome(outcome);
      // The form's catalogue is older than the API's. Load it, so that the next attempt has the
      // current prices.
      if (outcome.kind === 'refused' && outcome.faults.some(({ pointer }) => OF_CATALOGUE.test(pointer))) void load();
    } finally {
      isSending.current = false;
      setStage('idle');
    }
  }

  useEffect(() => {
    const cutOff = attempts.interrupted();
    if (cutOff && mayOrder.value) void send(cutOff, 'resuming');
  }, []);

  return { stage, outcome, setOutcome, place: (order: NewOrder) => send(attempts.of(order), 'placing') };
}

function outcomeOf(error: unknown): Outcome {
  const failed = failure(error);
  if (isAway(failed)) return { kind: 'away', isKnown: failed instanceof Refused };
  attempts.answered();
  const { faults, message } = failed as Refused;
  return { kind: 'refused', faults, message: faults.length > 0 ? null : message };
}
