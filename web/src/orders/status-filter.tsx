import { words } from '../i18n/words.ts';
import { LISTED } from '../order/status.ts';
import { statusName } from '../order/status-view.tsx';
import { Button } from '../parts/button.tsx';

interface Props {
  /** Null means any status. */
  chosen: string | null;
  withAny: boolean;
  onChoose: (status: string | null) => void;
}

export function StatusFilter({ chosen, withAny, onChoose }: Props) {
  const { orders } = words();
  const choices = [...(withAny ? [null] : []), ...LISTED];
  return (
    <div class="filters mb-3" role="group" aria-label={orders.status}>
      {choices.map((status) => (
        <Button key={status} class="" pressed={status === chosen} onClick={() => onChoose(status)}>
          {status === null ? orders.any : statusName(status)}
        </Button>
      ))}
    </div>
  );
}
