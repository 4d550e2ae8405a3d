import type { ComponentChildren } from 'preact';
import { capped } from '../text.ts';

interface FieldProps {
  id: string;
  label: ComponentChildren;
  hint?: string | undefined;
  /** The error messages of the field. */
  faults: ComponentChildren[];
}

/** A labelled field with a hint and error messages. A screen reader reads them with the field. */
export function Field({ id, label, hint, faults, children }: FieldProps & { children: (attributes: object) => ComponentChildren }) {
  const attributes = {
    id,
    'aria-describedby': [hint && `${id}-hint`, `${id}-fault`].filter(Boolean).join(' '),
    ...(faults.length > 0 && { 'aria-invalid': 'true' }),
  };
  return (
    <div class="mb-3">
      <label class="form-label" for={id}>
        {label}
      </label>
      {children(attributes)}
      {hint && (
        <div class="form-text" id={`${id}-hint`}>
          {hint}
        </div>
      )}
      <Faults id={`${id}-fault`} faults={faults} />
    </div>
  );
}

export function Faults({ id, faults }: { id: string; faults: ComponentChildren[] }) {
  return (
    <div class="invalid-feedback" id={id}>
      {faults.map((fault, n) => (
        <div key={n}>{fault}</div>
      ))}
    </div>
  );
}

type InputProps = FieldProps & {
  value: string;
  onInput: (value: string) => void;
  type?: 'text' | 'email' | 'tel';
  inputMode?: 'decimal' | 'numeric';
  autocomplete?: string;
  /**
   * In code points, as the API counts. The HTML attribute of the same name counts UTF-16 code
   * units.
   */
  maxLength?: number;
  required?: boolean;
};

export function TextField({ id, label, hint, faults, value, onInput, maxLength = Infinity, ...rest }: InputProps) {
  return (
    <Field id={id} label={label} hint={hint} faults={faults}>
      {(attributes) => (
        <input
          class={`form-control ${faults.length > 0 ? 'is-invalid' : ''}`}
          autocapitalize="off"
          spellcheck={false}
          value={value}
          onInput={({ currentTarget: input }) => {
            const text = capped(input.value, maxLength);
            if (text !== input.value) input.value = text;
            onInput(text);
          }}
          {...(rest as object)}
          {...attributes}
        />
      )}
    </Field>
  );
}

/** Moves the focus to the first field with an error. */
export function focusFirstFault(form: HTMLFormElement | null): void {
  const shown = form?.querySelector('.invalid-feedback:not(:empty)');
  const field = shown && form?.querySelector<HTMLElement>(`[aria-describedby~="${shown.id}"]`);
  (field ?? shown?.closest<HTMLElement>('[tabindex]'))?.focus();
}
