// Where the customer receives notifications, and by which channel.

import type { ComponentChildren } from 'preact';
import { words } from '../i18n/words.ts';
import { Field, TextField } from '../parts/field.tsx';
import { details } from './cart.ts';
import type { Filled } from './lines.ts';

interface Props {
  faultsAt: (pointer: string) => ComponentChildren[];
  onFill: (filled: Partial<Filled>, pointer: string) => void;
}

export function Contact({ faultsAt, onFill }: Props) {
  const { form, optional } = words();
  const { email, phone, channel } = details.value;
  return (
    <fieldset>
      <legend>
        {form.updates} <span class="quiet fw-normal">{optional}</span>
      </legend>
      <TextField id="email" type="email" autocomplete="email" label={form.email} value={email} faults={faultsAt('/contact/email')} onInput={(email) => onFill({ email }, '/contact/email')} />
      <TextField
        id="phone"
        type="tel"
        autocomplete="tel"
        label={form.phone}
        hint={form.phoneHint}
        value={phone}
        faults={faultsAt('/contact/phone')}
        onInput={(phone) => onFill({ phone }, '/contact/phone')}
      />
      {email && phone && (
        <Field id="channel" label={form.channel} faults={faultsAt('/contact/channel')}>
          {(attributes) => (
            <select class="form-select" value={channel} onChange={(event) => onFill({ channel: event.currentTarget.value as Filled['channel'] }, '/contact/channel')} {...attributes}>
              {Object.entries(form.channels).map(([id, name]) => (
                <option key={id} value={id}>
                  {name}
                </option>
              ))}
            </select>
          )}
        </Field>
      )}
    </fieldset>
  );
}
