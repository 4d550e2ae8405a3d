// The offer of an order that is ACTION_REQUIRED: the available quantities, the new total, and the
// customer's choice.

import type { ComponentChildren } from 'preact';
import * as api from '../api/client.ts';
import { Refused } from '../api/errors.ts';
import type { Order } from '../api/model.ts';
import { minor } from '../i18n/format.ts';
import { words } from '../i18n/words.ts';
import { Button } from '../parts/button.tsx';
import { Notice } from '../parts/notice.tsx';
import { Trouble } from '../parts/trouble.tsx';
import { useCall } from '../parts/use-call.ts';
import { nameOf } from '../shop/catalogue.ts';
import { offeredPart } from './offered-part.ts';

interface Props {
  order: Order;
  /** Called when the order may have changed. */
  onAsked: () => void;
  /** The button for the alternative, cancelling the order. */
  children: ComponentChildren;
}

export function Amend({ order, onAsked, children }: Props) {
  const { amend: say } = words();
  const { stage, trouble, call } = useCall();
  const isLate = trouble instanceof Refused && trouble.status === 409;
  const take = async () => {
    await call(() => api.amend(order.id));
    onAsked();
  };

  // The message stays visible after the order has continued.
  if (order.status !== 'ACTION_REQUIRED') return isLate ? <Notice>{say.late}</Notice> : null;
  const { lines, total } = offeredPart(order);
  return (
    <section class="card mb-4" id="amend" aria-labelledby="amend-title">
      <div class="card-body">
        <h2 id="amend-title">{say.title}</h2>
        <p>{say.text}</p>
        <ul class="plain lines mb-2">
          {lines.map(({ productID, quantity, available }, n) => (
            <li key={n}>
              <div class="line">
                <span class="name" lang="en">
                  {nameOf(productID)}
                </span>
                <span class={`tone tone-${available === quantity ? 'good' : available > 0 ? 'attention' : 'bad'}`}>{say.available(available, quantity)}</span>
              </div>
            </li>
          ))}
        </ul>
        {total !== null && (
          <p class="total mb-3">
            <span id="amend-total-label">{say.total}</span>
            <output class="number" id="amend-total" aria-labelledby="amend-total-label">
              {minor(total, order.currency)}
            </output>
          </p>
        )}
        {stage === 'taken' && <Notice>{say.taken}</Notice>}
        {isLate ? <Notice>{say.late}</Notice> : trouble && <Trouble of={trouble} />}
        <div class="d-flex flex-wrap gap-2">
          {stage !== 'taken' && (
            <Button class="btn-primary" isBusy={stage === 'calling'} onClick={take}>
              {say.take}
            </Button>
          )}
          {stage === 'idle' && children}
        </div>
        <p class="quiet mt-3 mb-0">{say.until}</p>
      </div>
    </section>
  );
}
