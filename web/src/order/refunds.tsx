// The refunds of an order, including those in progress.

import type { Order, Refund } from '../api/model.ts';
import { ApiText } from '../i18n/api-text.tsx';
import { amount } from '../i18n/format.ts';
import { words } from '../i18n/words.ts';
import { plainName, type Tone } from './status.ts';

const TONES: Record<string, Tone> = { PENDING: 'progress', SUCCEEDED: 'good', FAILED: 'bad' };

export function Refunds({ refunds, order }: { refunds: Refund[]; order: Order }) {
  const { order: say, refunds: names } = words();
  return (
    <section class="mt-4" id="refunds" aria-labelledby="refunds-title">
      <h3 id="refunds-title">{say.refunds}</h3>
      <ul class="plain lines">
        {refunds.map(({ id, amount: refunded, status, reason, failureReason }) => (
          <li key={id} data-refund={id} data-status={status}>
            <div class="line">
              <span class="name number">{amount(refunded, order.currency)}</span>
              <span class={`tone tone-${TONES[status] ?? 'progress'}`}>{names[status] ?? plainName(status)}</span>
            </div>
            {[failureReason, reason].map(
              (text, n) =>
                text && (
                  <div key={n} class="quiet">
                    <ApiText text={text} />
                  </div>
                ),
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
