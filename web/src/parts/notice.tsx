import type { ComponentChildren } from 'preact';
import { Button } from './button.tsx';

interface Props {
  children: ComponentChildren;
  tone?: 'progress' | 'attention' | 'bad';
  /** What the reader can do about it. */
  action?: { text: string; run: () => void };
}

/** A message that comes while the page is used: read out when it appears, at once if something went wrong. */
export function Notice({ children, tone = 'progress', action }: Props) {
  return (
    <div class={`notice ${tone} mb-3`} role={tone === 'bad' ? 'alert' : 'status'}>
      <p>{children}</p>
      {action && <Button onClick={action.run}>{action.text}</Button>}
    </div>
  );
}
