// The shipments of an order and their tracking.

import type { Shipment } from '../api/model.ts';
import { ApiText } from '../i18n/api-text.tsx';
import { words } from '../i18n/words.ts';
import { Icon, type IconName } from '../parts/icon.tsx';
import { nameOf } from '../shop/catalogue.ts';
import { Mark } from './mark.tsx';
import { numberOf, safeLink, shipmentTone } from './shipment.ts';
import { plainName, type Tone } from './status.ts';

const ICONS: Record<Tone, IconName> = { progress: 'box', attention: 'alert', good: 'check', bad: 'cross' };

/**
 * `onMarked` is called when staff have recorded a tracking event. It is null if the user may not
 * record tracking events.
 */
export function Shipments({ shipments, onMarked }: { shipments: Shipment[]; onMarked: (() => void) | null }) {
  const { order: say } = words();
  return (
    <section class="mt-4" id="shipments" aria-labelledby="shipments-title">
      <h3 id="shipments-title">{say.shipments}</h3>
      <ul class="plain lines">
        {shipments.map((shipment) => (
          <li key={shipment.id} data-shipment={shipment.id} data-status={shipment.status}>
            <Parcel shipment={shipment} />
            {onMarked && <Mark key={shipment.status} shipment={shipment} onMarked={onMarked} />}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Parcel({ shipment: { id, status, carrier, reason, items = [], ...tracking } }: { shipment: Shipment }) {
  const { order: say, shipments } = words();
  const tone = shipmentTone(status);
  return (
    <>
      <div class="line">
        <span class="name">{say.shipment(numberOf(id))}</span>
        <span class={`tone tone-${tone}`}>
          <Icon name={ICONS[tone]} />
          {shipments[status] ?? plainName(status)}
        </span>
      </div>
      <div class="quiet" lang="en">
        {items.map(({ productID, quantity }) => `${quantity} × ${nameOf(productID)}`).join(', ')}
      </div>
      {carrier && (
        <div class="quiet">
          {say.carrier}: {carrier}
        </div>
      )}
      <Tracking {...tracking} />
      {reason && (
        <div class="quiet">
          <ApiText text={reason} />
        </div>
      )}
    </>
  );
}

function Tracking({ trackingNumber, trackingUrl }: Pick<Shipment, 'trackingNumber' | 'trackingUrl'>) {
  const { order: say } = words();
  if (!trackingNumber) return null;
  const link = safeLink(trackingUrl);
  return (
    <div class="quiet">
      {say.tracking}:{' '}
      {link ? (
        <a class="code" href={link} target="_blank" rel="noreferrer">
          {trackingNumber} <Icon name="outside" />
        </a>
      ) : (
        <span class="code">{trackingNumber}</span>
      )}
    </div>
  );
}
