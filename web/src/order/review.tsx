// The review decision of staff about an order that exceeds a limit.

import { useState } from 'preact/hooks';
import * as api from '../api/client.ts';
import { Refused } from '../api/errors.ts';
import type { Order } from '../api/model.ts';
import { ApiText } from '../i18n/api-text.tsx';
import { words } from '../i18n/words.ts';
import { Button } from '../parts/button.tsx';
import { TextField } from '../parts/field.tsx';
import { Notice } from '../parts/notice.tsx';
import { Trouble } from '../parts/trouble.tsx';
import { useCall } from '../parts/use-call.ts';

/** `onDecided` is called when the order may have changed. */
export function Review({ order: { id, status, reviewReason }, onDecided }: { order: Order; onDecided: () => void }) {
  const { review: say, optional } = words();
  const { stage, trouble, call } = useCall();
  const [note, setNote] = useState('');
  const [isApproved, setApproved] = useState(false);
  const isLate = trouble instanceof Refused && trouble.status === 409;
  const decide = async (approved: boolean) => {
    setApproved(approved);
    await call(() => api.review(id, approved, note.trim()));
    onDecided();
  };

  // The message stays visible after the order has continued.
  if (isLate) return <Notice>{say.late}</Notice>;
  if (status !== 'IN_REVIEW') return null;
  if (stage === 'taken') return <Notice>{isApproved ? say.approved : say.declined}</Notice>;
  return (
    <div class="review" role="group" aria-label={say.of(id.slice(-8))}>
      {reviewReason && (
        <p class="mb-2">
          {say.why} <ApiText text={reviewReason} />
        </p>
      )}
      {trouble && <Trouble of={trouble} />}
      <TextField
        id={`note-${id}`}
        label={
          <>
            {say.note} <span class="quiet fw-normal">{optional}</span>
          </>
        }
        hint={say.noteHint}
        value={note}
        faults={[]}
        maxLength={200}
        autocomplete="off"
        onInput={setNote}
      />
      <div class="d-flex flex-wrap gap-2">
        <Button class="btn-primary" isBusy={stage === 'calling'} onClick={() => decide(true)}>
          {say.approve}
        </Button>
        <Button class="btn-outline-danger" isBusy={stage === 'calling'} onClick={() => decide(false)}>
          {say.decline}
        </Button>
      </div>
    </div>
  );
}
