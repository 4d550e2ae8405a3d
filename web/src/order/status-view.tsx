// The appearance of a status: its text, colour and icon.

import { words } from '../i18n/words.ts';
import { Icon, type IconName } from '../parts/icon.tsx';
import { plainName, type Tone, traitsOf } from './status.ts';

const ICONS: Record<Tone, IconName> = { progress: 'clock', attention: 'alert', good: 'check', bad: 'cross' };

export const statusName = (status: string): string => words().statuses[status]?.[0] ?? plainName(status);
export const statusMeaning = (status: string): string => words().statuses[status]?.[1] ?? '';

export function StatusIcon({ status }: { status: string }) {
  return <Icon name={ICONS[traitsOf(status).tone]} />;
}

export function StatusBadge({ status }: { status: string }) {
  return (
    <span class={`tone tone-${traitsOf(status).tone}`}>
      <StatusIcon status={status} />
      {statusName(status)}
    </span>
  );
}
