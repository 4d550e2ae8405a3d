import type { ComponentChildren } from 'preact';
import { Icon, type IconName } from './icon.tsx';

/** Where there is nothing to show, and what to do then. */
export function Empty({ icon, text, children }: { icon: IconName; text: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <Icon name={icon} />
      <p>{text}</p>
      {children}
    </div>
  );
}
