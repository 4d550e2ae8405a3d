// The choice of the payment method. In the sandbox, the customer chooses the result of the payment.
// Otherwise the customer chooses one of the configured payment methods, if there are any.

import type { ComponentChildren } from 'preact';
import { getConfig } from '../config.ts';
import { words } from '../i18n/words.ts';
import { Field } from '../parts/field.tsx';
import { details } from './cart.ts';
import { methodFor, methodsOf } from './payment-methods.ts';

export function Payment({ faults, onChoose }: { faults: ComponentChildren[]; onChoose: (paymentMethod: string) => void }) {
  const { form, scenarios } = words();
  const { sandbox } = getConfig();
  const methods = methodsOf(getConfig());
  if (methods.length === 0) {
    return (
      <p>
        {form.payment}: {form.card}
      </p>
    );
  }
  return (
    <Field id="payment" label={form.payment} hint={sandbox ? form.sandbox : undefined} faults={faults}>
      {(attributes) => (
        <select
          class={`form-select ${faults.length > 0 ? 'is-invalid' : ''}`}
          value={methodFor(details.value.paymentMethod)}
          onChange={(event) => onChoose(event.currentTarget.value)}
          {...attributes}
        >
          {methods.map(({ id, label }) => (
            <option key={id} value={id}>
              {label ?? scenarios[id]}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}
