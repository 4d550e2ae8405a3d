// The order form: the line items, the customer, the payment method, and placing the order.

import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Fault } from '../api/model.ts';
import { ApiText } from '../i18n/api-text.tsx';
import { language } from '../i18n/language.ts';
import { words } from '../i18n/words.ts';
import { Button } from '../parts/button.tsx';
import { focusFirstFault, TextField } from '../parts/field.tsx';
import { Notice } from '../parts/notice.tsx';
import { signIn } from '../sign-in/issuer.ts';
import { customer, mayOrder } from '../sign-in/session.ts';
import { cart, customerID, details, rememberCustomer } from './cart.ts';
import { CartLines } from './cart-lines.tsx';
import { Contact } from './contact.tsx';
import { byId, products } from './catalogue.ts';
import { type Filled, faultsOf, price, toOrder } from './lines.ts';
import { Payment } from './payment.tsx';
import { methodFor } from './payment-methods.ts';
import { placed } from './places.ts';
import { usePlacing } from './placing.ts';

/** The pointers that have a field of their own. The pointers of line items are added to them. */
const FIELDS = ['/items', '/totalAmount', '/customerID', '/paymentMethod', '/contact/email', '/contact/phone', '/contact/channel'];

export function OrderForm() {
  const { cart: say, form } = words();
  const { stage, outcome, setOutcome, place } = usePlacing();
  const [faults, setFaults] = useState<Fault[]>([]);
  const element = useRef<HTMLFormElement>(null);

  const lines = price(cart.value, byId.value);
  const places = new Set([...FIELDS, ...lines.flatMap((_, n) => [`/items/${n}`, `/items/${n}/quantity`])]);
  const { at, elsewhere } = placed(faults, places);
  const faultsAt = (pointer: string): ComponentChildren[] => (at.get(pointer) ?? []).map((message) => <ApiText text={message} />);

  // After a refusal the focus moves to the first field with an error.
  useEffect(() => {
    if (outcome.kind === 'refused') setFaults(outcome.faults);
  }, [outcome]);
  useEffect(() => {
    if (faults.length > 0) focusFirstFault(element.current);
  }, [faults]);

  const changed = (...pointers: string[]) => {
    const rest = faults.filter(({ pointer }) => !pointers.some((changed) => pointer === changed || pointer.startsWith(`${changed}/`)));
    if (rest.length < faults.length) setFaults(rest);
  };
  const fill = (filled: Partial<Filled>, pointer: string) => {
    details.value = { ...details.value, ...filled };
    changed(pointer);
  };
  const submit = (event: Event) => {
    event.preventDefault();
    if (stage !== 'idle') return;
    const unwritable = faultsOf(lines, say);
    setFaults(unwritable);
    if (unwritable.length > 0) return;
    setOutcome({ kind: 'none' });
    const { paymentMethod, email, phone, channel } = details.value;
    const who = (customer.value ?? customerID.value).trim();
    if (customer.value === null) rememberCustomer(who);
    void place(toOrder(lines, { customerID: who, paymentMethod: methodFor(paymentMethod), email: email.trim(), phone: phone.trim(), channel, language: language.value }));
  };

  return (
    <form class="card cart" id="order-form" aria-labelledby="your-order" noValidate ref={element} onSubmit={submit}>
      <div class="card-body">
        <h2 class="mb-3" id="your-order" tabIndex={-1}>
          {say.title}
        </h2>
        <CartLines lines={lines} isLoading={products.value === null} faultsAt={faultsAt} onChange={changed} />
        {customer.value === null && (
          <TextField
            id="customer"
            label={form.customer}
            hint={form.customerHint}
            autocomplete="off"
            required
            value={customerID.value}
            faults={faultsAt('/customerID')}
            onInput={(value) => {
              customerID.value = value;
              changed('/customerID');
            }}
          />
        )}
        <Payment faults={faultsAt('/paymentMethod')} onChoose={(paymentMethod) => fill({ paymentMethod }, '/paymentMethod')} />
        <Contact faultsAt={faultsAt} onFill={fill} />
        <Message outcome={outcome} elsewhere={elsewhere} />
        {mayOrder.value ? (
          <Button type="submit" class="btn-primary w-100" isBusy={stage !== 'idle'}>
            {stage !== 'idle' && <span class="spinner-border spinner-border-sm" aria-hidden="true" />}
            {stage === 'placing' ? form.placing : stage === 'resuming' ? form.resuming : outcome.kind === 'away' ? words().tryAgain : form.place}
          </Button>
        ) : (
          <Notice action={{ text: words().signIn.action, run: signIn }}>{words().signIn.needed}</Notice>
        )}
      </div>
    </form>
  );
}

/** The error messages of the order as a whole. */
function Message({ outcome, elsewhere }: { outcome: ReturnType<typeof usePlacing>['outcome']; elsewhere: Fault[] }) {
  const { form } = words();
  if (outcome.kind === 'away') return <Notice tone="bad">{outcome.isKnown ? form.busy : form.notReached}</Notice>;
  const message = outcome.kind === 'refused' ? outcome.message : null;
  if (!message && elsewhere.length === 0) return null;
  return (
    <Notice tone="bad">
      {message && <ApiText text={message} />}
      {elsewhere.map(({ pointer, message }) => (
        <ApiText key={pointer} text={`${pointer} ${message}`.trim()} />
      ))}
    </Notice>
  );
}
