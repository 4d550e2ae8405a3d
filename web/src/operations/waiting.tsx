// How much work waits in the queues and for the workers.

import type { Overview } from '../api/model.ts';
import { words } from '../i18n/words.ts';
import { Icon } from '../parts/icon.tsx';
import { type Line, linesOf } from './depths.ts';

export function Waiting({ overview }: { overview: Overview }) {
  const { operations: say } = words();
  return (
    <section class="mt-4" aria-labelledby="waiting-title">
      <h2 id="waiting-title">{say.waiting}</h2>
      <ul class="plain parts" id="waiting">
        {linesOf(overview, say).map((line) => (
          <Depth key={line.name} {...line} />
        ))}
      </ul>
    </section>
  );
}

function Depth({ name, title, counts, warning }: Line) {
  return (
    <li class="part" data-queue={name}>
      <span>
        <span class="name d-block">{title}</span>
        <span class="quiet">{counts}</span>
      </span>
      {warning && (
        <span class={`tone tone-${warning.tone}`}>
          <Icon name="alert" />
          {warning.text}
        </span>
      )}
    </li>
  );
}
