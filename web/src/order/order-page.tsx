// The view of one order: its status, its history, its contents, and the possible actions.

import { useRoute } from 'preact-iso';
import { useEffect } from 'preact/hooks';
import type { Order } from '../api/model.ts';
import { getConfig } from '../config.ts';
import { ApiText } from '../i18n/api-text.tsx';
import { words } from '../i18n/words.ts';
import { Empty } from '../parts/empty.tsx';
import { Icon } from '../parts/icon.tsx';
import { Notice } from '../parts/notice.tsx';
import { Title } from '../parts/title.tsx';
import { need } from '../shop/catalogue.ts';
import { mayMoveMoney, mayOperate } from '../sign-in/session.ts';
import { Amend } from './amend.tsx';
import { Cancel, CancelDialog, useCancelling } from './cancel.tsx';
import { Details } from './details.tsx';
import { Notifications } from './notifications.tsx';
import { RefundAction } from './refund.tsx';
import { Refunds } from './refunds.tsx';
import { Review } from './review.tsx';
import { Shipments } from './shipments.tsx';
import { isFinal, traitsOf } from './status.ts';
import { StatusIcon, statusMeaning, statusName } from './status-view.tsx';
import { Timeline } from './timeline.tsx';
import { Trace } from './trace/trace.tsx';
import { useOrder } from './use-order.ts';

export function OrderPage(_: { path?: string }) {
  const id = useRoute().params.id ?? '';
  // The key makes each order a new view with its own state.
  return <OneOrder id={id} key={id} />;
}

function OneOrder({ id }: { id: string }) {
  const { order: say, orders } = words();
  const { order, isAway, refusal, ask, expect } = useOrder(id);
  useEffect(need, []);
  const title = order ? `${statusName(order.status)}: ${say.of(id)}` : say.of(id);
  return (
    <>
      <Title text={title}>
        {say.title} <span class="id code quiet">{id}</span>
      </Title>
      {isAway && (
        <Notice tone="bad" action={{ text: say.tryNow, run: ask }}>
          {say.away}
        </Notice>
      )}
      {refusal && (
        <Empty icon="box" text={refusal.status === 404 ? say.missing : say.refused}>
          <a class="btn btn-outline-primary" href="/orders">
            {orders.link}
          </a>
        </Empty>
      )}
      {!order && !refusal && !isAway && <p role="status">{say.lookingUp}</p>}
      {order && <Content order={order} onAsked={ask} onRefund={expect} />}
    </>
  );
}

interface ContentProps {
  order: Order;
  onAsked: () => void;
  onRefund: () => void;
}

function Content({ order, onAsked, onRefund }: ContentProps) {
  const { order: say } = words();
  const { shipments = [], refunds = [], notifications = [] } = order;
  const cancelling = useCancelling(order, onAsked);
  const mayMark = mayOperate.value && !order.compensating && !isFinal(order.status);
  const cancel = <Cancel order={order} cancelling={cancelling} />;
  return (
    <>
      <Status order={order} />
      {order.queued && <Notice tone="attention">{say.queued}</Notice>}
      {order.compensating && <Notice tone="attention">{say.compensating}</Notice>}
      <Amend order={order} onAsked={onAsked}>
        {cancel}
      </Amend>
      {mayOperate.value && <Review order={order} onDecided={onAsked} />}
      <CancelDialog cancelling={cancelling} />
      <div class="row g-4">
        <section class="col-lg-6" aria-labelledby="history-title">
          <div class="card">
            <div class="card-body">
              <h2 class="mb-3" id="history-title">
                {say.history}
              </h2>
              <Timeline order={order} />
              <div class="d-flex flex-wrap gap-2 mt-4">
                {order.status !== 'ACTION_REQUIRED' && cancel}
                {mayMoveMoney.value && <RefundAction order={order} onAsked={onRefund} />}
                <a class="btn btn-outline-primary" href="/">
                  {say.another}
                </a>
                <TemporalLink id={order.id} />
              </div>
            </div>
          </div>
        </section>
        <section class="col-lg-6" aria-labelledby="details-title">
          <div class="card">
            <div class="card-body">
              <h2 class="mb-3" id="details-title">
                {say.details}
              </h2>
              <Details order={order} />
              {shipments.length > 0 && <Shipments shipments={shipments} onMarked={mayMark ? onAsked : null} />}
              {refunds.length > 0 && <Refunds refunds={refunds} order={order} />}
              {notifications.length > 0 && <Notifications notifications={notifications} />}
            </div>
          </div>
        </section>
      </div>
      {mayOperate.value && <Trace id={order.id} />}
    </>
  );
}

function Status({ order: { status, failureReason } }: { order: Order }) {
  return (
    <div class={`status status-${traitsOf(status).tone} mb-3`} id="order-status" data-status={status} role="status">
      <StatusIcon status={status} />
      <span class="what">{statusName(status)}</span>
      <p>
        {statusMeaning(status)} {failureReason && <ApiText text={failureReason} />}
      </p>
    </div>
  );
}

/** The workflow id is the order's id. */
function TemporalLink({ id }: { id: string }) {
  const { temporal } = getConfig().links;
  if (!temporal || !mayOperate.value) return null;
  return (
    <a class="btn btn-link" href={`${temporal}/workflows/${id}`} target="_blank" rel="noreferrer">
      {words().operations.workflow}
      <Icon name="outside" />
    </a>
  );
}
