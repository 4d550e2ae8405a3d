// How operations went: charts of the last hour, day or week. Each chart is also a sentence and a
// table. The code that draws is loaded only here.

import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import * as api from '../../api/client.ts';
import type { History as Answer, Period } from '../../api/model.ts';
import * as format from '../../i18n/format.ts';
import { words } from '../../i18n/words.ts';
import { Button } from '../../parts/button.tsx';
import { Notice } from '../../parts/notice.tsx';
import { usePolled } from '../use-polled.ts';
import { type Chart, chartsOf, currenciesOf, gapsOf, timesOf } from './charts.ts';
import type { Plot } from './plot.tsx';

const PERIODS: Period[] = ['hour', 'day', 'week'];
const EVERY_MS = 30_000;

export function History() {
  const { history: say } = words().operations;
  const [period, setPeriod] = useState<Period>('hour');
  return (
    <section class="mt-4" aria-labelledby="charts-title">
      <h2 id="charts-title">{say.title}</h2>
      <div class="filters mb-3" role="group" aria-label={say.period}>
        {PERIODS.map((name) => (
          <Button key={name} pressed={name === period} onClick={() => setPeriod(name)}>
            {say.periods[name]}
          </Button>
        ))}
      </div>
      <Charts key={period} period={period} />
    </section>
  );
}

function Charts({ period }: { period: Period }) {
  const { loading, operations } = words();
  const say = operations.history;
  const { answer, isAway } = usePolled(() => api.history(period), EVERY_MS);
  const [chosen, setChosen] = useState<string | null>(null);
  const Drawn = usePlot();
  if (!answer) return isAway ? <Notice tone="bad">{operations.away}</Notice> : <p role="status">{loading}</p>;

  const currencies = currenciesOf(answer);
  const currency = chosen !== null && currencies.includes(chosen) ? chosen : (currencies[0] ?? null);
  const charts = chartsOf(answer, currency, say, { count: format.count, duration: format.duration, minor: format.minor });
  return (
    <>
      <Gaps history={answer} />
      <div class="charts" data-period={answer.period}>
        {charts.map((chart) => (
          <ChartCard key={chart.id} chart={chart} history={answer} Drawn={Drawn}>
            {chart.id === 'revenue' && currencies.length > 1 && (
              <select class="form-select" aria-label={say.currency} value={currency ?? ''} onChange={(event) => setChosen(event.currentTarget.value)}>
                {currencies.map((code) => (
                  <option key={code}>{code}</option>
                ))}
              </select>
            )}
          </ChartCard>
        ))}
      </div>
    </>
  );
}

/** Says that data is missing. A line shows it only to those who look closely. */
function Gaps({ history }: { history: Answer }) {
  const { history: say } = words().operations;
  const { missing, staleSince } = gapsOf(history);
  if (history.buckets.length === 0) return <Notice>{say.none}</Notice>;
  if (staleSince !== null) return <Notice tone="attention">{say.stale(format.day(new Date(staleSince * 1000).toISOString()))}</Notice>;
  return missing > 0 ? <p class="quiet">{say.missing(format.duration(missing * history.bucketSeconds * 1000))}</p> : null;
}

interface CardProps {
  chart: Chart;
  history: Answer;
  Drawn: typeof Plot | null;
  children: ComponentChildren;
}

function ChartCard({ chart, history, Drawn, children }: CardProps) {
  const { history: say } = words().operations;
  const [isOpen, setOpen] = useState(false);
  const title = `chart-${chart.id}`;
  return (
    <section class="chart" aria-labelledby={title}>
      <div class="d-flex flex-wrap align-items-center justify-content-between gap-2">
        <h3 class="mb-0" id={title}>
          {chart.title}
        </h3>
        {children}
      </div>
      <p class="quiet mb-2">{chart.summary}</p>
      {Drawn ? <Drawn chart={chart} times={timesOf(history)} bucketSeconds={history.bucketSeconds} /> : <div class="plot" />}
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>{say.asTable}</summary>
        {isOpen && <Values chart={chart} history={history} />}
      </details>
    </section>
  );
}

/** The values of a chart, newest first. */
function Values({ chart, history }: { chart: Chart; history: Answer }) {
  const { history: say } = words().operations;
  const rows = timesOf(history)
    .map((time, n) => ({ time, values: chart.lines.map(({ values }) => values[n] ?? null) }))
    .filter(({ values }) => values.some((value) => value !== null))
    .reverse();
  if (rows.length === 0) return <p class="quiet">{say.nothing}</p>;
  return (
    <div class="values" role="region" tabIndex={0} aria-label={say.valuesOf(chart.title)}>
      <table>
        <thead>
          <tr>
            <th scope="col">{say.time}</th>
            {chart.lines.map(({ name }) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ time, values }) => (
            <tr key={time}>
              <th scope="row">{format.day(new Date(time * 1000).toISOString())}</th>
              {values.map((value, n) => (
                <td key={n} class="number">
                  {value === null ? '–' : chart.format(value)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The component that draws, once it is loaded. Without it, sentences and tables remain. */
function usePlot(): typeof Plot | null {
  const [loaded, setLoaded] = useState<{ Plot: typeof Plot } | null>(null);
  useEffect(() => {
    import('./plot.tsx').then(setLoaded, (error) => console.warn('charts cannot be drawn', error));
  }, []);
  return loaded?.Plot ?? null;
}
