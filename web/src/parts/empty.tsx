import type { ComponentChildren } from 'preact';
import { Icon, type IconName } from './icon.tsx';

/** The message of an empty view, and what the reader can do. */
export function Empty({ icon, text, children }: { icon: IconName; text: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <Icon name={icon} />
      <p>{text}</p>
      {children}
    </div>
  );
}
