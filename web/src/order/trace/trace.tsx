// How an order was processed, step by step, for staff. It is loaded when somebody asks for it, or
// when the address ends with #trace.

import { useEffect, useRef, useState } from 'preact/hooks';
import * as api from '../../api/client.ts';
import { failure } from '../../api/errors.ts';
import type { Trace as Answer } from '../../api/model.ts';
import { words } from '../../i18n/words.ts';
import { Notice } from '../../parts/notice.tsx';
import { TraceLink } from './trace-link.tsx';
import type { Waterfall } from './waterfall-view.tsx';

type Loaded = { trace: Answer | null; View: typeof Waterfall };

export function Trace({ id }: { id: string }) {
  const { trace: say, loading, tryAgain } = words();
  const [isOpen, setOpen] = useState(() => location.hash === '#trace');
  const [loaded, setLoaded] = useState<Loaded | null>(null);
  const [isAway, setAway] = useState(false);

  const load = async () => {
    setAway(false);
    try {
      // The code of the waterfall is loaded only here.
      const [trace, { Waterfall: View }] = await Promise.all([api.trace(id), import('./waterfall-view.tsx')]);
      setLoaded({ trace, View });
    } catch (error) {
      // The code cannot be loaded either while the network is away.
      if (!(error instanceof TypeError)) failure(error);
      setAway(true);
    }
  };
  useEffect(() => void (isOpen && !loaded && load()), [isOpen]);
  const section = useRef<HTMLElement>(null);
  useEffect(() => {
    if (loaded && location.hash === '#trace') section.current?.scrollIntoView();
  }, [loaded]);

  return (
    <section class="mt-4" id="trace" ref={section} aria-labelledby="trace-title">
      <h2 id="trace-title">{say.title}</h2>
      <details open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary class="mb-2">{say.show}</summary>
        {isAway ? (
          <Notice tone="bad" action={{ text: tryAgain, run: load }}>
            {say.away}
          </Notice>
        ) : !loaded ? (
          <p role="status">{loading}</p>
        ) : !loaded.trace ? (
          <p class="quiet">{say.none}</p>
        ) : loaded.trace.spans.length > 0 ? (
          <loaded.View trace={loaded.trace} />
        ) : (
          <>
            <p class="quiet">
              {say.kept(loaded.trace.traceID)} {!loaded.trace.sampled && say.errorsOnly}
            </p>
            <TraceLink traceID={loaded.trace.traceID} />
          </>
        )}
      </details>
    </section>
  );
}
