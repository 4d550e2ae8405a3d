// Things that staff should look at, as a worker found them: stuck orders and failing rows.

import type { AttentionGroup } from '../api/model.ts';
import { getConfig } from '../config.ts';
import { time } from '../i18n/format.ts';
import { words } from '../i18n/words.ts';
import { countOf, orderOf } from './attention-text.ts';

export function Attention({ groups }: { groups: AttentionGroup[] }) {
  const { operations: say } = words();
  return (
    <section class="mt-4" aria-labelledby="attention-title">
      <h2 id="attention-title">{say.attention}</h2>
      {groups.length === 0 && <p class="quiet">{say.noAttention}</p>}
      <div id="attention">
        {groups.map((group) => (
          <Group key={group.kind} {...group} />
        ))}
      </div>
    </section>
  );
}

/** Where else staff can look at an order. */
function OrderLinks({ id }: { id: string | null }) {
  const { operations: say, trace } = words();
  const { links, traces } = getConfig();
  if (!id || !(links.temporal || traces)) return null;
  return (
    <span class="d-flex gap-2">
      {links.temporal && (
        <a href={`${links.temporal}/workflows/${id}`} target="_blank" rel="noreferrer" aria-label={`${say.workflow}: ${id}`}>
          {say.temporal}
        </a>
      )}
      {traces && (
        <a href={`/orders/${id}#trace`} aria-label={`${trace.title}: ${id}`}>
          {trace.title}
        </a>
      )}
    </span>
  );
}

function Group({ kind, count, items }: AttentionGroup) {
  const { operations: say } = words();
  return (
    <div data-kind={kind} class="mb-3">
      <h3 class="h6">
        {say.attentionKinds[kind] ?? kind} <span class="tone tone-bad">{countOf(count)}</span>
      </h3>
      <ul class="plain parts">
        {items.map(({ id, detail, since }) => (
          <li key={id} class="part">
            <span>
              <span class="name d-block">{orderOf(id) ? <a href={`/orders/${orderOf(id)}`}>{id}</a> : id}</span>
              <span class="quiet">{detail}</span>
            </span>
            <span class="quiet number">{say.since(time(since))}</span>
            <OrderLinks id={orderOf(id)} />
          </li>
        ))}
      </ul>
    </div>
  );
}
