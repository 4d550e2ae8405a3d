// Every status of the order so far with its time, the reason if the order ended early, and the
// statuses that are still to come.

import type { Order } from '../api/model.ts';
import { getConfig } from '../config.ts';
import { ApiText } from '../i18n/api-text.tsx';
import { time } from '../i18n/format.ts';
import { words } from '../i18n/words.ts';
import { Icon } from '../parts/icon.tsx';
import { traitsOf, upcoming } from './status.ts';
import { StatusIcon, statusName } from './status-view.tsx';

export function Timeline({ order }: { order: Order }) {
  const { order: say } = words();
  const { history, status, failureReason, compensating } = order;
  return (
    <ol class="plain timeline" id="history">
      {history.map((change, n) => {
        const isLast = n === history.length - 1;
        // A past status is shown as done, not in its own colour.
        const tone = isLast ? traitsOf(change.status).tone : 'good';
        return (
          <li key={n} data-status={change.status} aria-current={isLast ? 'step' : undefined}>
            <span class={`dot dot-${tone}`}>{isLast ? <StatusIcon status={change.status} /> : <Icon name="check" />}</span>
            <span class="what">{statusName(change.status)}</span>
            <time class="quiet" dateTime={change.at}>
              {time(change.at)}
            </time>
            {isLast && failureReason && (
              <span class="reason">
                <ApiText text={failureReason} />
              </span>
            )}
          </li>
        );
      })}
      {(compensating ? [] : upcoming(status, getConfig().ships)).map((status) => (
        <li key={status} class="upcoming" data-status={status}>
          <span class="dot" />
          <span class="what">
            {statusName(status)} <span class="quiet">– {say.toCome}</span>
          </span>
        </li>
      ))}
    </ol>
  );
}
