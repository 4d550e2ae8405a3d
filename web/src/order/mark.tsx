// Lets staff record tracking events, for carriers that send no webhooks. The order shows the
// result.

import { useState } from 'preact/hooks';
import * as api from '../api/client.ts';
import type { ScanEvent, Shipment } from '../api/model.ts';
import { words } from '../i18n/words.ts';
import { Button } from '../parts/button.tsx';
import { TextField } from '../parts/field.tsx';
import { Notice } from '../parts/notice.tsx';
import { Trouble } from '../parts/trouble.tsx';
import { useCall } from '../parts/use-call.ts';
import { doesNotArrive, marksOf, numberOf, orderOf } from './shipment.ts';

/** `onMarked` is called when the order may have changed. */
export function Mark({ shipment: { id, status }, onMarked }: { shipment: Shipment; onMarked: () => void }) {
  const { mark: say, optional } = words();
  const { stage, trouble, call } = useCall();
  /** The chosen event of a parcel that does not arrive. It is sent after a confirmation. */
  const [chosen, setChosen] = useState<ScanEvent | null>(null);
  const [reason, setReason] = useState('');
  const marks = marksOf(status);
  if (marks.length === 0) return null;

  const mark = async (event: ScanEvent) => {
    await call(() => api.mark(orderOf(id), id, event, reason.trim()));
    onMarked();
  };
  if (stage === 'taken') return <Notice>{say.taken}</Notice>;
  const isBusy = stage === 'calling';
  return (
    <div class="mt-2" role="group" aria-label={say.of(numberOf(id))}>
      {trouble && <Trouble of={trouble} />}
      {chosen ? (
        <>
          <p>{say.paidBack}</p>
          <TextField
            id={`reason-${id}`}
            label={
              <>
                {say.reason} <span class="quiet fw-normal">{optional}</span>
              </>
            }
            hint={say.reasonHint}
            value={reason}
            faults={[]}
            maxLength={200}
            autocomplete="off"
            onInput={setReason}
          />
          <div class="d-flex flex-wrap gap-2">
            <Button class="btn-outline-danger" isBusy={isBusy} onClick={() => mark(chosen)}>
              {say.events[chosen]}
            </Button>
            <Button onClick={() => setChosen(null)}>{say.back}</Button>
          </div>
        </>
      ) : (
        <div class="d-flex flex-wrap gap-2">
          {marks.map((event) => (
            <Button key={event} isBusy={isBusy} onClick={() => (doesNotArrive(event) ? setChosen(event) : mark(event))}>
              {say.events[event]}
            </Button>
          ))}
        </div>
      )}
    </div>
  );
}
