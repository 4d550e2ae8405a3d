// How the order is paid. In the sandbox the customer chooses what happens; else there is nothing to choose yet.

import type { ComponentChildren } from 'preact';
import { getConfig } from '../config.ts';
import { words } from '../i18n/words.ts';
import { Field } from '../parts/field.tsx';
import { details } from './cart.ts';

export function Payment({ faults, onChoose }: { faults: ComponentChildren[]; onChoose: (paymentMethod: string) => void }) {
  const { form, scenarios } = words();
  if (!getConfig().sandbox) {
    return (
      <p>
        {form.payment}: {form.card}
      </p>
    );
  }
  return (
    <Field id="payment" label={form.payment} hint={form.sandbox} faults={faults}>
      {(attributes) => (
        <select class={`form-select ${faults.length > 0 ? 'is-invalid' : ''}`} value={details.value.paymentMethod} onChange={(event) => onChoose(event.currentTarget.value)} {...attributes}>
          {Object.entries(scenarios).map(([token, name]) => (
            <option key={token} value={token}>
              {name}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}
