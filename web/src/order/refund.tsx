// The refund dialog, for admins: the rest of the payment, an amount, or units. The order shows the
// result.

import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Attempts } from '../api/attempts.ts';
import * as api from '../api/client.ts';
import { failure, isAway, Refused } from '../api/errors.ts';
import type { Fault, NewRefund, Order } from '../api/model.ts';
import { ApiText } from '../i18n/api-text.tsx';
import { minor } from '../i18n/format.ts';
import { words } from '../i18n/words.ts';
import { Button } from '../parts/button.tsx';
import { Faults, focusFirstFault, TextField } from '../parts/field.tsx';
import { Notice } from '../parts/notice.tsx';
import { Trouble } from '../parts/trouble.tsx';
import { useCall } from '../parts/use-call.ts';
import { placed } from '../shop/places.ts';
import { chosen, faultsOf, restOf, toRefund, unitsOf, type RefundForm } from './refund-request.ts';
import { RefundUnits } from './refund-units.tsx';

const NOTHING: RefundForm = { what: 'rest', amount: '', quantities: {}, restock: false, reason: '' };

/** `onAsked` is called when the API has accepted the refund. */
export function RefundAction({ order, onAsked }: { order: Order; onAsked: () => void }) {
  const { refund: say } = words();
  const dialog = useRef<HTMLDialogElement>(null);
  const [isTaken, setTaken] = useState(false);
  const [turn, setTurn] = useState(0);
  const rest = restOf(order);
  const open = () => {
    setTaken(false);
    // Each opening begins with an empty form.
    setTurn(turn + 1);
    dialog.current?.showModal();
  };
  const taken = () => {
    dialog.current?.close();
    setTaken(true);
    onAsked();
  };
  return (
    <>
      {isTaken && <Notice>{say.taken}</Notice>}
      {rest !== null && !order.compensating && <Button onClick={open}>{say.action}</Button>}
      <dialog ref={dialog} aria-labelledby="refund-title">
        <h2 id="refund-title">{say.title}</h2>
        <Form key={turn} order={order} onTaken={taken} onClose={() => dialog.current?.close()} />
      </dialog>
    </>
  );
}

function Form({ order, onTaken, onClose }: { order: Order; onTaken: () => void; onClose: () => void }) {
  const { refund: say, optional, cart } = words();
  const element = useRef<HTMLFormElement>(null);
  const [form, setForm] = useState(NOTHING);
  const [faults, setFaults] = useState<Fault[]>([]);
  const { stage, trouble, call } = useCall();
  const isRefused = trouble instanceof Refused && !isAway(trouble);

  useEffect(() => {
    if (isRefused) setFaults(trouble.faults);
  }, [trouble]);
  useEffect(() => {
    if (faults.length > 0) focusFirstFault(element.current);
  }, [faults]);

  const units = unitsOf(order);
  const asked = chosen(form, order);
  const places = new Set(['/amount', '/items', '/restock', '/reason', ...asked.map((_, n) => `/items/${n}/quantity`)]);
  const { at, elsewhere } = placed(faults, places);
  const faultsAt = (pointer: string): ComponentChildren[] => (at.get(pointer) ?? []).map((message) => <ApiText text={message} />);

  const fill = (filled: Partial<RefundForm>) => {
    setForm({ ...form, ...filled });
    if (faults.length > 0) setFaults([]);
  };
  const submit = async (event: Event) => {
    event.preventDefault();
    const unwritable = faultsOf(form, order, { ...say, wholeNumber: cart.wholeNumber });
    setFaults(unwritable);
    if (unwritable.length > 0) return;
    if (await call(() => ask(order.id, toRefund(form, order)))) onTaken();
  };
  const choice = (what: RefundForm['what'], label: string) => (
    <div class="form-check">
      <input class="form-check-input" type="radio" name="what" id={`refund-${what}`} checked={form.what === what} onChange={() => fill({ what })} />
      <label class="form-check-label" for={`refund-${what}`}>
        {label}
      </label>
    </div>
  );

  return (
    <form id="refund-form" noValidate ref={element} aria-labelledby="refund-title" onSubmit={submit}>
      <fieldset class="mb-3">
        <legend>{say.what}</legend>
        {choice('rest', say.rest(minor(restOf(order) ?? 0n, order.currency)))}
        {choice('amount', say.amount)}
        {choice('items', say.units)}
      </fieldset>
      {form.what === 'amount' && (
        <TextField
          id="refund-sum"
          label={say.sum(order.currency)}
          value={form.amount}
          faults={faultsAt('/amount')}
          inputMode="decimal"
          autocomplete="off"
          maxLength={15}
          onInput={(amount) => fill({ amount })}
        />
      )}
      {form.what === 'items' && (
        <RefundUnits
          units={units}
          quantities={form.quantities}
          faults={faultsAt('/items')}
          faultsOf={(productID) => faultsAt(`/items/${asked.findIndex((units) => units.productID === productID)}/quantity`)}
          onChange={(quantities) => fill({ quantities })}
        />
      )}
      {form.what !== 'amount' && (
        <div class="form-check mb-3">
          <input
            class="form-check-input"
            type="checkbox"
            id="restock"
            checked={form.restock}
            aria-describedby="restock-fault"
            onChange={(event) => fill({ restock: event.currentTarget.checked })}
          />
          <label class="form-check-label" for="restock">
            {say.restock}
          </label>
          <Faults id="restock-fault" faults={faultsAt('/restock')} />
        </div>
      )}
      <TextField
        id="refund-reason"
        label={
          <>
            {say.reason} <span class="quiet fw-normal">{optional}</span>
          </>
        }
        hint={say.reasonHint}
        value={form.reason}
        faults={faultsAt('/reason')}
        autocomplete="off"
        maxLength={200}
        onInput={(reason) => fill({ reason })}
      />
      {trouble && !isRefused && <Notice tone="bad">{say.unsure}</Notice>}
      {isRefused && trouble.faults.length === 0 && <Trouble of={trouble} />}
      {elsewhere.map(({ pointer, message }) => (
        <Notice key={pointer} tone="bad">
          <ApiText text={`${pointer} ${message}`.trim()} />
        </Notice>
      ))}
      <div class="d-flex flex-wrap gap-2">
        <Button type="submit" class="btn-primary" isBusy={stage !== 'idle'}>
          {say.submit}
        </Button>
        <Button onClick={onClose}>{say.close}</Button>
      </div>
    </form>
  );
}

/** Uses one idempotency key until the API has answered, so that a retry does not refund twice. */
async function ask(orderId: string, refund: NewRefund): Promise<void> {
  const attempts = new Attempts<NewRefund>(`refund.${orderId}`);
  const { key, request } = attempts.of(refund);
  try {
    await api.refund(orderId, request, key);
    attempts.answered();
  } catch (error) {
    if (!isAway(failure(error))) attempts.answered();
    throw error;
  }
}
