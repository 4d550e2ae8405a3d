// The health of each part, asked again and again.

import { useEffect, useState } from 'preact/hooks';
import * as api from '../api/client.ts';
import { failure } from '../api/errors.ts';
import type { Health } from '../api/model.ts';
import { words } from '../i18n/words.ts';
import { Icon } from '../parts/icon.tsx';
import { Notice } from '../parts/notice.tsx';
import { useRepeatedly } from './use-repeatedly.ts';

const EVERY_MS = 10_000;

export function Parts() {
  const { operations: say, loading } = words();
  const [health, setHealth] = useState<Health | null>(null);
  const [isAway, setAway] = useState(false);
  const ask = async () => {
    try {
      setHealth(await api.health());
      setAway(false);
    } catch (error) {
      failure(error);
      setAway(true);
    }
  };
  useEffect(() => void ask(), []);
  useRepeatedly(ask, EVERY_MS);

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
