// The health of each dependency, polled repeatedly.

import * as api from '../api/client.ts';
import { words } from '../i18n/words.ts';
import { Icon } from '../parts/icon.tsx';
import { Notice } from '../parts/notice.tsx';
import { usePolled } from './use-polled.ts';

export function Parts() {
  const { operations: say, loading } = words();
  const { answer: health, isAway } = usePolled(api.health);
  return (
    <section aria-labelledby="parts-title">
      <h2 id="parts-title">{say.health}</h2>
      {isAway && <Notice tone="bad">{say.away}</Notice>}
      <p class="quiet mb-2" role="status">
        {isAway ? '' : health ? (say.healthOf[health.status] ?? health.status) : loading}
      </p>
      <ul class="plain parts" id="parts">
        {(isAway ? [] : (health?.dependencies ?? [])).map(({ name, state, latencyMs }) => (
          <li key={name} class="part" data-part={name} data-state={state}>
            <span>
              <span class="name d-block">{say.parts[name] ?? name}</span>
              <span class="quiet number">{say.latency(latencyMs)}</span>
            </span>
            <span class={`tone tone-${state === 'up' ? 'good' : 'bad'}`}>
              <Icon name={state === 'up' ? 'check' : 'cross'} />
              {state === 'up' ? say.up : say.down}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
