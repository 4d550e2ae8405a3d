// The line items and the payment of an order.

import type { Order } from '../api/model.ts';
import { amount, day, minor } from '../i18n/format.ts';
import { words } from '../i18n/words.ts';
import * as money from '../money.ts';
import { nameOf } from '../shop/catalogue.ts';
import { isFinal } from './status.ts';

export function Details({ order }: { order: Order }) {
  const { order: say } = words();
  return (
    <>
      <h3 class="visually-hidden">{say.items}</h3>
      <ul class="plain lines mb-2" id="order-items">
        {order.items.map((item, n) => {
          const each = money.fromJson(item.unitPrice, order.currency);
          return (
            <li key={n}>
              <div class="line">
                <span class="name" lang="en">
                  {nameOf(item.productID)}
                </span>
                <span class="quiet number">
                  {item.quantity} × {amount(item.unitPrice, order.currency)}
                </span>
                <span class="price number">{each === null ? '' : minor(each * BigInt(item.quantity), order.currency)}</span>
              </div>
              {item.orderedQuantity !== undefined && <div class="quiet">{say.ordered(item.orderedQuantity)}</div>}
            </li>
          );
        })}
      </ul>
      <p class="total mb-4">
        <span>{words().cart.total}</span>
        <span class="number" id="order-total">
          {amount(order.totalAmount, order.currency)}
        </span>
      </p>
      <dl class="facts">
        <dt>{say.payment}</dt>
        <dd id="order-payment">{payment(order)}</dd>
        <dt>{say.placed}</dt>
        <dd>
          <time dateTime={order.createdAt}>{day(order.createdAt)}</time>
        </dd>
        <dt>{say.customer}</dt>
        <dd id="order-customer">{order.customerID}</dd>
        <dt>{say.number}</dt>
        <dd class="code">{order.id}</dd>
      </dl>
    </>
  );
}

function payment({ payment, currency, status }: Order): string {
  const { order: say, payments } = words();
  if (!payment) return isFinal(status) ? say.notCharged : say.notChargedYet;
  const paid = `${amount(payment.amount, currency)} ${payments[payment.status] ?? payment.status.toLowerCase()}`;
  return payment.refundedAmount ? `${paid}, ${say.refundedOf(amount(payment.refundedAmount, currency))}` : paid;
}
