// A list of orders, each with a link to its own view.

import type { ComponentChildren } from 'preact';
import type { useOrderList } from './use-order-list.ts';
import { isAway } from '../api/errors.ts';
import type { Order } from '../api/model.ts';
import { ApiText } from '../i18n/api-text.tsx';
import { amount, day } from '../i18n/format.ts';
import { words } from '../i18n/words.ts';
import { StatusBadge } from '../order/status-view.tsx';
import { Button } from '../parts/button.tsx';
import { Empty } from '../parts/empty.tsx';
import { Notice } from '../parts/notice.tsx';

interface Props {
  list: ReturnType<typeof useOrderList>;
  /** The text for an empty list. */
  none: string;
  /** The action that an empty list offers. */
  action?: ComponentChildren;
  showCustomer?: boolean;
  /** A remark about an order. */
  remark?: (order: Order) => ComponentChildren;
}

export function OrderList({ list, none, action, showCustomer = false, remark }: Props) {
  const { orders, tryAgain, showMore } = words();
  const { items, trouble, isLoading, hasMore, more, refresh } = list;
  return (
    <>
      {trouble && (
        <Notice tone="bad" action={{ text: tryAgain, run: refresh }}>
          {isAway(trouble) ? orders.away : <Refusal list={list} />}
        </Notice>
      )}
      {!items && isLoading && <Loading />}
      {items?.length === 0 && (
        <Empty icon="box" text={none}>
          {action}
        </Empty>
      )}
      {items && items.length > 0 && (
        <>
          <ul class="plain orders">
            {items.map((order) => (
              <li key={order.id} data-order={order.id}>
                <OrderRow order={order} showCustomer={showCustomer} remark={remark?.(order)} />
              </li>
            ))}
          </ul>
          <p class="quiet mt-2 mb-2" role="status">
            {orders.shown(items.length)}
          </p>
        </>
      )}
      {hasMore && (
        <Button class="btn-outline-primary w-100" isBusy={isLoading} onClick={more}>
          {showMore}
        </Button>
      )}
    </>
  );
}

interface RowProps {
  order: Order;
  showCustomer: boolean;
  remark?: ComponentChildren;
}

export function OrderRow({ order, showCustomer, remark }: RowProps) {
  const { orders } = words();
  const things = order.items.reduce((sum, { quantity }) => sum + quantity, 0);
  return (
    <a href={`/orders/${order.id}`}>
      <span class="what">
        {/* The end of an id is random and distinguishes orders; its beginning is a time. */}
        <span class="code fw-bold" title={order.id}>
          …{order.id.slice(-8)}
        </span>{' '}
        <span class="quiet">{showCustomer ? order.customerID : orders.things(things)}</span>
      </span>
      <span class="when quiet">
        <time dateTime={order.createdAt}>{day(order.createdAt)}</time>
      </span>
      <span class="state">
        {remark} <StatusBadge status={order.status} />
      </span>
      <span class="amount number">{amount(order.totalAmount, order.currency)}</span>
    </a>
  );
}

function Refusal({ list: { trouble } }: Pick<Props, 'list'>) {
  const faults = trouble && 'faults' in trouble ? trouble.faults : [];
  const texts = faults.length > 0 ? faults.map(({ message }) => message) : [trouble?.message ?? ''];
  return (
    <>
      {texts.map((text) => (
        <ApiText key={text} text={text} />
      ))}
    </>
  );
}

function Loading() {
  return (
    <ul class="plain orders placeholder-glow" aria-hidden="true">
      {[0, 1, 2, 3].map((n) => (
        <li key={n} class="part">
          <span class="placeholder col-4" />
          <span class="placeholder col-3" />
        </li>
      ))}
    </ul>
  );
}
