// The shop view: the catalogue with the cart beside it.

import { words } from '../i18n/words.ts';
import { Button } from '../parts/button.tsx';
import { Title } from '../parts/title.tsx';
import { cart } from './cart.ts';
import { Catalogue } from './catalogue-view.tsx';
import { OrderForm } from './order-form.tsx';

export function Shop(_: { path?: string }) {
  const { shop, cart: say } = words();
  const toOrder = () => {
    const heading = document.getElementById('your-order');
    heading?.scrollIntoView();
    heading?.focus({ preventScroll: true });
  };
  return (
    <>
      <Title text={shop.title} />
      <div class="row g-4">
        <div class="col-lg-7">
          <Catalogue />
          {cart.value.length > 0 && (
            <div class="to-cart">
              <Button class="btn-primary" onClick={toOrder}>
                <span>{say.toCart(cart.value.length)}</span>
                <span aria-hidden="true">↓</span>
              </Button>
            </div>
          )}
        </div>
        <div class="col-lg-5">
          <OrderForm />
        </div>
      </div>
    </>
  );
}
