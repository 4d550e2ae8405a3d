// A customer's orders, newest first. The address contains the customer and the status, so that it
// can be bookmarked and the browser's back button works.

import { useLocation } from 'preact-iso';
import { useState } from 'preact/hooks';
import { words } from '../i18n/words.ts';
import { Button } from '../parts/button.tsx';
import { Empty } from '../parts/empty.tsx';
import { TextField } from '../parts/field.tsx';
import { Icon } from '../parts/icon.tsx';
import { Notice } from '../parts/notice.tsx';
import { Title } from '../parts/title.tsx';
import { customerID, rememberCustomer } from '../shop/cart.ts';
import { signIn } from '../sign-in/issuer.ts';
import { customer, mayOrder, user } from '../sign-in/session.ts';
import { OrderList } from './order-list.tsx';
import { StatusFilter } from './status-filter.tsx';
import { useOrderList } from './use-order-list.ts';

export function MyOrders(_: { path?: string }) {
  const { orders: say, signIn: sayIn } = words();
  if (!mayOrder.value) {
    return (
      <>
        <Title text={say.title} />
        <Notice action={{ text: sayIn.action, run: signIn }}>{sayIn.needed}</Notice>
      </>
    );
  }
  return <Orders />;
}

function Orders() {
  const { orders: say } = words();
  const { query, route } = useLocation();
  const status = query.status ?? null;
  // If staff have chosen no customer, they see their own orders.
  const whose = customer.value ?? query.customerID ?? (customerID.value || user.value?.subject || '');
  const list = useOrderList(whose ? { customerID: whose, ...(status && { status }) } : null);

  const go = (customerID: string, status: string | null) => {
    const parameters = new URLSearchParams({ ...(customer.value === null && { customerID }), ...(status && { status }) });
    route(`/orders?${parameters}`);
  };
  return (
    <>
      <div class="d-flex flex-wrap align-items-center justify-content-between gap-2 mb-3">
        <Title text={say.title} class="mb-0" />
        {whose && (
          <Button isBusy={list.isLoading} onClick={list.refresh}>
            <Icon name="refresh" />
            {say.refresh}
          </Button>
        )}
      </div>
      {customer.value === null && <Whose key={whose} whose={whose} onChoose={(id) => (rememberCustomer(id), go(id, status))} />}
      {whose ? (
        <>
          <StatusFilter chosen={status} withAny onChoose={(status) => go(whose, status)} />
          <OrderList
            list={list}
            none={status ? say.noneOfStatus : say.none}
            action={
              <a class="btn btn-outline-primary" href="/">
                {say.toShop}
              </a>
            }
          />
        </>
      ) : (
        <Empty icon="box" text={say.whose} />
      )}
    </>
  );
}

/** The field in which customers give their id, if authentication is off. */
function Whose({ whose, onChoose }: { whose: string; onChoose: (customerID: string) => void }) {
  const { orders: say, form } = words();
  const [id, setId] = useState(whose);
  const submit = (event: Event) => {
    event.preventDefault();
    if (id.trim()) onChoose(id.trim());
  };
  return (
    <form class="ask" onSubmit={submit}>
      <TextField id="whose" label={say.ofCustomer} hint={form.customerHint} value={id} faults={[]} autocomplete="off" onInput={setId} />
      <Button type="submit">{say.show}</Button>
    </form>
  );
}
