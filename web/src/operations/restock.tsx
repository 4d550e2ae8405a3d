// The restock form, for admins.

import { type ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Attempts } from '../api/attempts.ts';
import * as api from '../api/client.ts';
import { failure, isAway, Refused } from '../api/errors.ts';
import type { Fault, NewRestock, Restocked } from '../api/model.ts';
import { ApiText } from '../i18n/api-text.tsx';
import { words } from '../i18n/words.ts';
import { Button } from '../parts/button.tsx';
import { Field, focusFirstFault, TextField } from '../parts/field.tsx';
import { Notice } from '../parts/notice.tsx';
import { Trouble } from '../parts/trouble.tsx';
import { useCall } from '../parts/use-call.ts';
import { load, nameOf, need, products } from '../shop/catalogue.ts';
import { placed } from '../shop/places.ts';
import { byNeed, type Delivery, faultsOf, toRestock } from './restock-request.ts';

const NOTHING: Delivery = { productID: '', quantity: '', reason: '' };
const PLACES = new Set(['/productID', '/quantity', '/reason']);

export function Restock() {
  const { restock: say, optional, cart, shop } = words();
  const element = useRef<HTMLFormElement>(null);
  const [delivery, setDelivery] = useState(NOTHING);
  const [faults, setFaults] = useState<Fault[]>([]);
  const [done, setDone] = useState<Restocked | null>(null);
  const { stage, trouble, call, reset } = useCall();
  const isRefused = trouble instanceof Refused && !isAway(trouble);

  useEffect(need, []);
  useEffect(() => {
    if (isRefused) setFaults(trouble.faults);
  }, [trouble]);
  useEffect(() => {
    if (faults.length > 0) focusFirstFault(element.current);
  }, [faults]);

  const { at, elsewhere } = placed(faults, PLACES);
  const faultsAt = (pointer: string): ComponentChildren[] => (at.get(pointer) ?? []).map((message) => <ApiText text={message} />);
  const fill = (filled: Partial<Delivery>) => {
    setDelivery({ ...delivery, ...filled });
    setDone(null);
    if (faults.length > 0) setFaults([]);
  };
  const submit = async (event: Event) => {
    event.preventDefault();
    const unwritable = faultsOf(delivery, { chooseProduct: say.chooseProduct, wholeNumber: cart.wholeNumber });
    setFaults(unwritable);
    if (unwritable.length > 0) return;
    const isTaken = await call(async () => setDone(await ask(delivery.productID, toRestock(delivery))));
    if (!isTaken) return;
    // Clear the form, so that a late second click requests nothing.
    setDelivery(NOTHING);
    reset();
    void load();
  };

  return (
    <section class="mt-4" aria-labelledby="restock-title">
      <h2 id="restock-title">{say.title}</h2>
      <form id="restock-form" class="fields" noValidate ref={element} aria-labelledby="restock-title" onSubmit={submit}>
        <Field id="restock-product" label={say.product} faults={faultsAt('/productID')}>
          {(attributes) => (
            <select
              class={`form-select ${at.has('/productID') ? 'is-invalid' : ''}`}
              value={delivery.productID}
              onChange={(event) => fill({ productID: event.currentTarget.value })}
              {...attributes}
            >
              <option value="">{say.chooseProduct}</option>
              {byNeed(products.value ?? []).map(({ productID, name, inStock }) => (
                <option key={productID} value={productID} lang="en">
                  {name} ({productID}){inStock ? '' : ` – ${shop.soldOut}`}
                </option>
              ))}
            </select>
          )}
        </Field>
        <TextField
          id="restock-quantity"
          label={say.quantity}
          value={delivery.quantity}
          faults={faultsAt('/quantity')}
          inputMode="numeric"
          autocomplete="off"
          maxLength={9}
          onInput={(quantity) => fill({ quantity })}
        />
        <TextField
          id="restock-reason"
          label={
            <>
              {say.reason} <span class="quiet fw-normal">{optional}</span>
            </>
          }
          value={delivery.reason}
          faults={faultsAt('/reason')}
          autocomplete="off"
          maxLength={200}
          onInput={(reason) => fill({ reason })}
        />
        <Button type="submit" class="btn-primary" isBusy={stage === 'calling'}>
          {say.submit}
        </Button>
      </form>
      {done && <Notice>{done.stock === undefined ? say.taken : say.done(nameOf(done.productID), done.stock)}</Notice>}
      {trouble && !isRefused && <Notice tone="bad">{say.unsure}</Notice>}
      {isRefused && trouble.faults.length === 0 && <Trouble of={trouble} />}
      {elsewhere.map(({ pointer, message }) => (
        <Notice key={pointer} tone="bad">
          <ApiText text={`${pointer} ${message}`.trim()} />
        </Notice>
      ))}
    </section>
  );
}

/**
 * Uses one idempotency key until the API has answered, so that a retry does not add the units
 * twice.
 */
async function ask(productID: string, restock: NewRestock): Promise<Restocked> {
  const attempts = new Attempts<NewRestock>(`restock.${productID}`);
  const { key, request } = attempts.of(restock);
  try {
    const restocked = await api.restock(productID, request, key);
    attempts.answered();
    return restocked;
  } catch (error) {
    if (!isAway(failure(error))) attempts.answered();
    throw error;
  }
}
