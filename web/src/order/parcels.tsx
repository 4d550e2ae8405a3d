// Where the parcels of an order are, and what was paid back: for an API that tells of them.

import type { Order, Refund, Shipment } from '../api/model.ts';
import { ApiText } from '../i18n/api-text.tsx';
import { amount } from '../i18n/format.ts';
import { words } from '../i18n/words.ts';
import { nameOf } from '../shop/catalogue.ts';
import { plainName } from './status.ts';
import { StatusBadge } from './status-view.tsx';

export function Shipments({ shipments }: { shipments: Shipment[] }) {
  const { order: say } = words();
  return (
    <section class="mt-4" aria-labelledby="shipments-title">
      <h3 id="shipments-title">{say.shipments}</h3>
      <ul class="plain lines">
        {shipments.map(({ id, status, carrier, trackingNumber, items = [] }) => (
          <li key={id}>
            <div class="line">
              <span class="name">{carrier ?? id}</span>
              <StatusBadge status={status} />
            </div>
            {trackingNumber && (
              <div class="quiet">
                {say.tracking}: <span class="code">{trackingNumber}</span>
              </div>
            )}
            <div class="quiet">{items.map(({ productID, quantity }) => `${quantity} × ${nameOf(productID)}`).join(', ')}</div>
          </li>
        ))}
      </ul>
    </section>
  );
}

export function Refunds({ refunds, order }: { refunds: Refund[]; order: Order }) {
  const { order: say, payments } = words();
  return (
    <section class="mt-4" aria-labelledby="refunds-title">
      <h3 id="refunds-title">{say.refunds}</h3>
      <ul class="plain lines">
        {refunds.map(({ id, amount: refunded, status, reason }) => (
          <li key={id}>
            <div class="line">
              <span class="name number">{amount(refunded, order.currency)}</span>
              <span class="quiet">{payments[status] ?? plainName(status)}</span>
            </div>
            {reason && (
              <div class="quiet">
                <ApiText text={reason} />
              </div>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
