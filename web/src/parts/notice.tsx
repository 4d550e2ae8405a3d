import type { ComponentChildren } from 'preact';
import { Button } from './button.tsx';

interface Props {
  children: ComponentChildren;
  tone?: 'progress' | 'attention' | 'bad';
  /** What the reader can do about it. */
  action?: { text: string; run: () => void };
}

/**
 * A message that appears while the page is used. Screen readers read it out: an error at once, any
 * other message after the current sentence.
 */
export function Notice({ children, tone = 'progress', action }: Props) {
  return (
    <div class={`notice ${tone} mb-3`} role={tone === 'bad' ? 'alert' : 'status'}>
      <p>{children}</p>
      {action && <Button onClick={action.run}>{action.text}</Button>}
    </div>
  );
}
