// Asking for an order to be cancelled. Whether it came in time, only the order itself shows.

import { useEffect, useRef, useState } from 'preact/hooks';
import * as api from '../api/client.ts';
import { failure, Unreachable } from '../api/errors.ts';
import type { Order } from '../api/model.ts';
import { ApiText } from '../i18n/api-text.tsx';
import { words } from '../i18n/words.ts';
import { Button } from '../parts/button.tsx';
import { Notice } from '../parts/notice.tsx';
import { TextField } from '../parts/field.tsx';
import { isFinal, traitsOf } from './status.ts';

/** `onAsked`: the order may have changed. */
export function Cancel({ order, onAsked }: { order: Order; onAsked: () => void }) {
  const { order: say, optional } = words();
  const dialog = useRef<HTMLDialogElement>(null);
  const [reason, setReason] = useState('');
  const [isAsking, setAsking] = useState(false);
  const [refusal, setRefusal] = useState<string | null>(null);
  const canCancel = traitsOf(order.status).canCancel;

  useEffect(() => {
    if (!canCancel) dialog.current?.close();
  }, [canCancel]);

  const ask = async () => {
    dialog.current?.close();
    setAsking(true);
    setRefusal(null);
    try {
      await api.cancel(order.id, reason.trim());
    } catch (error) {
      const failed = failure(error);
      setAsking(false);
      setRefusal(failed instanceof Unreachable ? say.cancelFailed : failed.message);
    }
    onAsked();
  };

  if (isFinal(order.status)) return isAsking && order.status !== 'CANCELLED' ? <Notice>{say.cancelLate}</Notice> : null;
  return (
    <>
      {isAsking && <Notice>{say.cancelling}</Notice>}
      {refusal && (
        <Notice tone="bad">
          <ApiText text={refusal} />
        </Notice>
      )}
      {canCancel && !isAsking && (
        <Button class="btn-outline-danger" onClick={() => dialog.current?.showModal()}>
          {say.cancel}
        </Button>
      )}
      <dialog ref={dialog} aria-labelledby="cancel-title">
        <form method="dialog" onSubmit={(event) => (event.preventDefault(), void ask())}>
          <h2 id="cancel-title">{say.cancelTitle}</h2>
          <p>{say.cancelText}</p>
          <TextField id="reason" label={<>{say.cancelReason} <span class="quiet fw-normal">{optional}</span></>} value={reason} faults={[]} maxLength={200} onInput={setReason} />
          <div class="d-flex flex-wrap gap-2">
            <Button type="submit" class="btn-danger">
              {say.cancel}
            </Button>
            <Button class="btn-outline-primary" onClick={() => dialog.current?.close()}>
              {say.keep}
            </Button>
          </div>
        </form>
      </dialog>
    </>
  );
}
