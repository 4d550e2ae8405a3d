// The line items of the cart: quantities, prices and the exact total.

import type { ComponentChildren } from 'preact';
import { amount, minor } from '../i18n/format.ts';
import { words } from '../i18n/words.ts';
import { Button } from '../parts/button.tsx';
import { Empty } from '../parts/empty.tsx';
import { Faults } from '../parts/field.tsx';
import { Icon } from '../parts/icon.tsx';
import { cart } from './cart.ts';
import { currencyOf, type PricedLine, stepped, totalOf } from './lines.ts';

interface Props {
  lines: PricedLine[];
  /** True while the catalogue is loading and prices are unknown. */
  isLoading: boolean;
  faultsAt: (pointer: string) => ComponentChildren[];
  /** Called when a line item has changed, with the pointers whose faults are outdated. */
  onChange: (...pointers: string[]) => void;
}

export function CartLines({ lines, isLoading, faultsAt, onChange }: Props) {
  const { cart: say } = words();
  const currency = currencyOf(lines);
  const total = totalOf(lines);
  const setQuantity = (n: number, quantity: string) => {
    cart.value = cart.value.map((line, at) => (at === n ? { ...line, quantity } : line));
    onChange(`/items/${n}`, `/items/${n}/quantity`, '/totalAmount');
  };
  const remove = (n: number) => {
    cart.value = cart.value.filter((_, at) => at !== n);
    // The indexes of all following line items have changed.
    onChange('/items', '/totalAmount', ...lines.flatMap((_, at) => [`/items/${at}`, `/items/${at}/quantity`]));
    document.getElementById(cart.value.length > 0 ? 'your-order' : 'search')?.focus();
  };
  return (
    <>
      {lines.length === 0 && <Empty icon="cart" text={say.empty} />}
      <ul class="plain lines" id="lines">
        {lines.map((line, n) => (
          <CartLine
            key={line.productID}
            line={line}
            id={`line-${n}`}
            isLoading={isLoading}
            faults={isLoading ? [] : [...(line.product ? [] : [say.gone]), ...faultsAt(`/items/${n}`)]}
            quantityFaults={faultsAt(`/items/${n}/quantity`)}
            onQuantity={(quantity) => setQuantity(n, quantity)}
            onRemove={() => remove(n)}
          />
        ))}
      </ul>
      <div id="items-fault" tabIndex={-1}>
        <Faults id="items-fault-text" faults={faultsAt('/items')} />
      </div>
      {lines.length > 0 && (
        <p class="total mt-2 mb-3">
          <span id="total-label">{say.total}</span>
          <output class="number" id="total" aria-labelledby="total-label">
            {total === null || currency === null ? '–' : minor(total, currency)}
          </output>
        </p>
      )}
      <Faults id="total-fault" faults={faultsAt('/totalAmount')} />
    </>
  );
}

interface LineProps {
  line: PricedLine;
  id: string;
  isLoading: boolean;
  faults: ComponentChildren[];
  quantityFaults: ComponentChildren[];
  onQuantity: (quantity: string) => void;
  onRemove: () => void;
}

function CartLine({ line, id, isLoading, faults, quantityFaults, onQuantity, onRemove }: LineProps) {
  const { cart: say } = words();
  const { product, productID, quantity, total } = line;
  const name = product?.name ?? productID;
  const isInvalid = quantityFaults.length > 0;
  return (
    <li>
      <div class="in-cart">
        <span class="name">
          <span lang="en">{name}</span>
          {product && <span class="quiet number d-block fw-normal">{amount(product.unitPrice, product.currency)}</span>}
        </span>
        <Button class="remove" label={say.remove(name)} onClick={onRemove}>
          <Icon name="cross" />
        </Button>
        <span class="quantity">
          <Button class="btn-outline-secondary" label={say.oneLess(name)} disabled={quantity === '1'} onClick={() => onQuantity(stepped(quantity, -1n))}>
            −
          </Button>
          <input
            class={`form-control number ${isInvalid ? 'is-invalid' : ''}`}
            inputMode="numeric"
            autocomplete="off"
            maxLength={6}
            value={quantity}
            aria-label={say.quantityOf(name)}
            aria-describedby={`${id}-fault`}
            aria-invalid={isInvalid ? 'true' : undefined}
            onInput={(event) => onQuantity(event.currentTarget.value)}
          />
          <Button class="btn-outline-secondary" label={say.oneMore(name)} onClick={() => onQuantity(stepped(quantity, 1n))}>
            +
          </Button>
        </span>
        <span class="price number">{product && total !== null ? minor(total, product.currency) : isLoading ? '' : '–'}</span>
      </div>
      <Faults id={`${id}-fault`} faults={[...faults, ...quantityFaults]} />
    </li>
  );
}
