import { type Failure, isAway, Refused } from '../api/errors.ts';
import { ApiText } from '../i18n/api-text.tsx';
import { words } from '../i18n/words.ts';
import { Notice } from './notice.tsx';

/** Why a call failed. */
export function Trouble({ of: failure }: { of: Failure }) {
  const { trouble } = words();
  if (!(failure instanceof Refused)) return <Notice tone="bad">{trouble.unreachable}</Notice>;
  return <Notice tone="bad">{isAway(failure) ? trouble.busy : <ApiText text={failure.message} />}</Notice>;
}
