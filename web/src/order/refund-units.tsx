// How many units of each product are refunded.

import type { ComponentChildren } from 'preact';
import { words } from '../i18n/words.ts';
import { Faults } from '../parts/field.tsx';
import { nameOf } from '../shop/catalogue.ts';
import type { Units } from './refund-request.ts';

interface Props {
  units: Units[];
  /** The typed quantities by product id. */
  quantities: Record<string, string>;
  /** The faults of the choice as a whole. */
  faults: ComponentChildren[];
  faultsOf: (productID: string) => ComponentChildren[];
  onChange: (quantities: Record<string, string>) => void;
}

export function RefundUnits({ units, quantities, faults, faultsOf, onChange }: Props) {
  const { refund: say } = words();
  return (
    <div class="mb-3" id="refund-units" tabIndex={-1}>
      <ul class="plain lines">
        {units.map(({ productID, quantity }, n) => {
          const id = `refund-unit-${n}`;
          const wrong = faultsOf(productID);
          return (
            <li key={productID}>
              <div class="line">
                <label class="name" for={id}>
                  <span lang="en">{nameOf(productID)}</span>
                </label>
                <input
                  class={`form-control number units ${wrong.length > 0 ? 'is-invalid' : ''}`}
                  id={id}
                  inputMode="numeric"
                  autocomplete="off"
                  maxLength={6}
                  placeholder="0"
                  value={quantities[productID] ?? ''}
                  aria-describedby={`${id}-of ${id}-fault`}
                  aria-invalid={wrong.length > 0 ? 'true' : undefined}
                  onInput={(event) => onChange({ ...quantities, [productID]: event.currentTarget.value })}
                />
                <span class="quiet number" id={`${id}-of`}>
                  {say.ofUnits(quantity)}
                </span>
              </div>
              <Faults id={`${id}-fault`} faults={wrong} />
            </li>
          );
        })}
      </ul>
      <Faults id="refund-units-fault" faults={faults} />
    </div>
  );
}
