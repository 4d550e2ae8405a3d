// The operations view. What is stuck or fails comes first: the things that need attention, the
// health of each dependency, waiting work, and orders in review. Then follow the charts, the open
// orders, and all orders by status.

import { useLocation } from 'preact-iso';
import { useState } from 'preact/hooks';
import * as api from '../api/client.ts';
import type { Order } from '../api/model.ts';
import { getConfig } from '../config.ts';
import { words } from '../i18n/words.ts';
import { Button } from '../parts/button.tsx';
import { TextField } from '../parts/field.tsx';
import { Icon } from '../parts/icon.tsx';
import { Notice } from '../parts/notice.tsx';
import { Title } from '../parts/title.tsx';
import { OrderList } from '../orders/order-list.tsx';
import { StatusFilter } from '../orders/status-filter.tsx';
import { useOrderList } from '../orders/use-order-list.ts';
import { signIn } from '../sign-in/issuer.ts';
import { mayMoveMoney, mayOperate, mayOrder } from '../sign-in/session.ts';
import { Attention } from './attention.tsx';
import { History } from './history/history.tsx';
import { Parts } from './parts.tsx';
import { isStuck } from './open-orders.ts';
import { Restock } from './restock.tsx';
import { Reviews } from './reviews.tsx';
import { useOpenOrders } from './use-open-orders.ts';
import { usePolled } from './use-polled.ts';
import { Waiting } from './waiting.tsx';

export function Operations(_: { path?: string }) {
  const { operations: say, signIn: sayIn } = words();
  return (
    <>
      <Title text={say.title} />
      {mayOperate.value ? (
        <All />
      ) : mayOrder.value ? (
        <Notice tone="attention">{sayIn.forStaff}</Notice>
      ) : (
        <Notice tone="attention" action={{ text: sayIn.action, run: signIn }}>
          {sayIn.forStaff}
        </Notice>
      )}
    </>
  );
}

function All() {
  const { operations: say, orders } = words();
  const [status, setStatus] = useState<string>('FAILED');
  const open = useOpenOrders();
  const { answer: overview } = usePolled(api.operations);
  const byStatus = useOrderList({ status });
  const inReview = open.items?.filter(({ status }) => status === 'IN_REVIEW') ?? [];
  const others = open.items?.filter(({ status }) => status !== 'IN_REVIEW') ?? null;
  return (
    <>
      <Links />
      {overview && overview.attention && <Attention groups={overview.attention.groups} />}
      <Parts />
      {overview && <Waiting overview={overview} />}
      <Reviews orders={inReview} onDecided={open.refresh} />
      <History />
      <section class="mt-4" aria-labelledby="open-title">
        <h2 id="open-title">{say.open}</h2>
        <OrderList
          list={{ ...open, items: others }}
          none={inReview.length > 0 ? say.noneElseOpen : say.noneOpen}
          showCustomer
          remark={(order) => <Remark order={order} />}
        />
      </section>
      {mayMoveMoney.value && <Restock />}
      <section class="mt-4" aria-labelledby="all-title">
        <Find />
        <div class="d-flex flex-wrap align-items-center justify-content-between gap-2 mb-2">
          <h2 class="mb-0" id="all-title">
            {say.all}
          </h2>
          <Button isBusy={byStatus.isLoading} onClick={byStatus.refresh}>
            <Icon name="refresh" />
            {orders.refresh}
          </Button>
        </div>
        <StatusFilter chosen={status} withAny={false} onChoose={(status) => status && setStatus(status)} />
        <OrderList list={byStatus} none={orders.noneOfStatus} showCustomer />
      </section>
    </>
  );
}

function Remark({ order }: { order: Order }) {
  const { operations: say } = words();
  return (
    <>
      {order.compensating && <span class="tone tone-attention">{say.undoing}</span>}{' '}
      {isStuck(order, Date.now()) && (
        <span class="tone tone-bad" title={say.stuckHint}>
          {say.stuck}
        </span>
      )}
    </>
  );
}

function Find() {
  const { operations: say } = words();
  const { route } = useLocation();
  const [text, setText] = useState('');
  const submit = (event: Event) => {
    event.preventDefault();
    const sought = text.trim();
    if (sought.startsWith('ord_')) route(`/orders/${encodeURIComponent(sought)}`);
    else if (sought) route(`/orders?${new URLSearchParams({ customerID: sought })}`);
  };
  return (
    <form class="ask" onSubmit={submit}>
      <TextField id="find" label={say.find} hint={say.findHint} value={text} faults={[]} autocomplete="off" onInput={setText} />
      <Button type="submit">{say.findAction}</Button>
    </form>
  );
}

function Links() {
  const { operations: say } = words();
  const { temporal, dashboard } = getConfig().links;
  const links: [string, string][] = [];
  if (temporal) links.push([`${temporal}/workflows`, say.temporal]);
  if (dashboard) links.push([dashboard, say.dashboard]);
  if (links.length === 0) return null;
  return (
    <nav class="mb-3" aria-label={say.links}>
      {links.map(([address, name]) => (
        <a key={name} class="btn btn-outline-primary me-2" href={address} target="_blank" rel="noreferrer">
          {name}
          <Icon name="outside" />
        </a>
      ))}
    </nav>
  );
}
