import type { ComponentChildren } from 'preact';

interface Props {
  children: ComponentChildren;
  /** Bootstrap classes in addition to `btn`. */
  class?: string;
  type?: 'button' | 'submit';
  /** The button does nothing, but keeps the focus. With `disabled` it would lose it. */
  isBusy?: boolean;
  disabled?: boolean;
  label?: string;
  pressed?: boolean;
  onClick?: () => void;
}

export function Button({ children, class: classes = 'btn-outline-primary', type = 'button', isBusy = false, disabled = false, label, pressed, onClick }: Props) {
  return (
    <button
      type={type}
      class={`btn ${classes}`}
      aria-disabled={isBusy ? 'true' : undefined}
      aria-label={label}
      aria-pressed={pressed}
      disabled={disabled}
      onClick={isBusy ? undefined : onClick}
    >
      {children}
    </button>
  );
}
