// Requesting a cancellation. Only the order itself shows whether the request came in time.

import type { RefObject } from 'preact';
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

export interface Cancelling {
  canCancel: boolean;
  isAsking: boolean;
  refusal: string | null;
  dialog: RefObject<HTMLDialogElement | null>;
  ask: (reason: string) => Promise<void>;
}

/** `onAsked` is called when the order may have changed. */
export function useCancelling(order: Order, onAsked: () => void): Cancelling {
  const { order: say } = words();
  const dialog = useRef<HTMLDialogElement>(null);
  const [isAsking, setAsking] = useState(false);
  const [refusal, setRefusal] = useState<string | null>(null);
  const canCancel = traitsOf(order.status).canCancel && !order.compensating;

  useEffect(() => {
    if (!canCancel) dialog.current?.close();
  }, [canCancel]);

  const ask = async (reason: string) => {
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
  return { canCancel, isAsking, refusal, dialog, ask };
}

/** The button that opens the confirmation dialog, and the result of the request. */
export function Cancel({ order, cancelling: { canCancel, isAsking, refusal, dialog } }: { order: Order; cancelling: Cancelling }) {
  const { order: say } = words();
  const known = order.cancellation?.status === 'TOO_LATE';
  if (isFinal(order.status)) return known || (isAsking && order.status !== 'CANCELLED') ? <Notice>{say.cancelLate}</Notice> : null;
  return (
    <>
      {(known || isAsking) && <Notice>{!known && (canCancel || order.compensating) ? say.cancelling : say.cancelLate}</Notice>}
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
    </>
  );
}

export function CancelDialog({ cancelling: { dialog, ask } }: { cancelling: Cancelling }) {
  const { order: say, optional } = words();
  const [reason, setReason] = useState('');
  return (
    <dialog ref={dialog} aria-labelledby="cancel-title">
      <form method="dialog" onSubmit={(event) => (event.preventDefault(), void ask(reason))}>
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
  );
}
