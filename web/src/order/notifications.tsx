// The notifications of the customer: their types, channels and times.

import type { Notification } from '../api/model.ts';
import { time } from '../i18n/format.ts';
import { words } from '../i18n/words.ts';
import { plainName } from './status.ts';

export function Notifications({ notifications }: { notifications: Notification[] }) {
  const { order: say, notices, channels } = words();
  return (
    <section class="mt-4" id="notifications" aria-labelledby="notifications-title">
      <h3 id="notifications-title">{say.notifications}</h3>
      <ul class="plain lines">
        {notifications.map(({ type, channel, at }, n) => (
          <li key={n} data-notice={type}>
            <div class="line">
              <span class="name">{notices[type] ?? plainName(type.replace(/^ORDER_/, ''))}</span>
              <span class="quiet">
                {channels[channel] ?? plainName(channel)}, <time dateTime={at}>{time(at)}</time>
              </span>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}
