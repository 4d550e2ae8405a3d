// The orders that wait for a review decision of staff. Shows nothing if there are none.

import type { Order } from '../api/model.ts';
import { words } from '../i18n/words.ts';
import { Review } from '../order/review.tsx';
import { OrderRow } from '../orders/order-list.tsx';

interface Props {
  orders: Order[];
  /** Called when an order may have changed. */
  onDecided: () => void;
}

export function Reviews({ orders, onDecided }: Props) {
  const { operations: say } = words();
  if (orders.length === 0) return null;
  return (
    <section class="mt-4" aria-labelledby="reviews-title">
      <h2 id="reviews-title">{say.reviews}</h2>
      <ul class="plain orders">
        {orders.map((order) => (
          <li key={order.id} data-order={order.id}>
            <OrderRow order={order} showCustomer />
            <Review order={order} onDecided={onDecided} />
          </li>
        ))}
      </ul>
    </section>
  );
}
