// The history of operations as charts: what each line shows, and what it says in one sentence. This
// module uses no DOM.

import type { Bucket, History } from '../../api/model.ts';
import * as money from '../../money.ts';

export interface Line {
  name: string;
  /** One value for each bucket of the period. Null if it is not known. */
  values: (number | null)[];
}

export interface Chart {
  id: string;
  title: string;
  lines: Line[];
  /** The line in one sentence, for those who do not see it or do not want to read it off. */
  summary: string;
  /** A value for people. */
  format: (value: number) => string;
  /** Whether a line of the scale is ten times the one below it. */
  isLogarithmic: boolean;
}

export interface Say {
  accepted: string;
  completed: string;
  failed: string;
  cancelled: string;
  half: string;
  most: string;
  captured: string;
  refunded: string;
  tasks: string;
  oldestTask: string;
  projection: string;
  events: string;
  notices: string;
  titles: { orders: string; outcomes: string; payment: string; completion: string; revenue: (currency: string) => string; tasks: string; lags: string };
  total: (name: string, value: string) => string;
  level: (name: string, last: string, most: string) => string;
  nothing: string;
}

export interface Formats {
  count: (n: number) => string;
  duration: (ms: number) => string;
  minor: (amount: money.Minor, currency: string) => string;
}

/** When each bucket of the period begins, in seconds since 1970. */
export function timesOf({ from, until, bucketSeconds }: History): number[] {
  const start = Date.parse(from) / 1000;
  const count = Math.round((Date.parse(until) / 1000 - start) / bucketSeconds);
  return Array.from({ length: Math.max(0, count) }, (_, n) => start + n * bucketSeconds);
}

/** The buckets of the period by position. Null if no worker has counted the bucket. */
export function bucketsOf(history: History): (Bucket | null)[] {
  const known = new Map(history.buckets.map((bucket) => [Date.parse(bucket.at) / 1000, bucket]));
  return timesOf(history).map((time) => known.get(time) ?? null);
}

/** The currencies of the revenue, the one with the most captures first. */
export function currenciesOf({ buckets }: History): string[] {
  const captures = new Map<string, number>();
  for (const { revenue } of buckets) for (const { currency, captured } of revenue) captures.set(currency, (captures.get(currency) ?? 0) + (captured > 0 ? 1 : 0));
  return [...captures].sort(([a, before], [b, after]) => after - before || a.localeCompare(b)).map(([currency]) => currency);
}

/**
 * What is missing: the number of buckets without data after the first one that has data, and the
 * end of the last bucket with data, if it is not the last of the period.
 */
export function gapsOf(history: History): { missing: number; staleSince: number | null } {
  const [times, buckets] = [timesOf(history), bucketsOf(history)];
  const first = buckets.findIndex((bucket) => bucket !== null);
  if (first === -1) return { missing: 0, staleSince: null };
  const last = buckets.findLastIndex((bucket) => bucket !== null);
  const missing = buckets.slice(first).filter((bucket) => bucket === null).length;
  return { missing, staleSince: last === buckets.length - 1 ? null : (times[last] ?? 0) + history.bucketSeconds };
}

export function chartsOf(history: History, currency: string | null, say: Say, formats: Formats): Chart[] {
  const buckets = bucketsOf(history);
  const line = (name: string, value: (bucket: Bucket) => number | null | undefined): Line => ({ name, values: buckets.map((bucket) => (bucket && value(bucket)) ?? null) });
  const seconds = (value: number | null | undefined) => (value === null || value === undefined ? null : value * 1000);

  const sums = (id: string, title: string, lines: Line[]): Chart => {
    const summary = lines.map(({ name, values }) => say.total(name, formats.count(values.reduce<number>((sum, value) => sum + (value ?? 0), 0))));
    return { id, title, lines, summary: summary.join(', '), format: formats.count, isLogarithmic: false };
  };
  const levels = (id: string, title: string, lines: Line[], format: (value: number) => string, isLogarithmic = false): Chart => {
    const summary = lines.flatMap(({ name, values }) => {
      const known = values.filter((value) => value !== null);
      return known.length === 0 ? [] : [say.level(name, format(known.at(-1) ?? 0), format(Math.max(...known)))];
    });
    return { id, title, lines, summary: summary.join('; ') || say.nothing, format, isLogarithmic };
  };

  const charts = [
    sums('orders', say.titles.orders, [line(say.accepted, ({ accepted }) => accepted)]),
    sums('outcomes', say.titles.outcomes, [
      line(say.completed, ({ completed }) => completed),
      line(say.failed, ({ failed }) => failed),
      line(say.cancelled, ({ cancelled }) => cancelled),
    ]),
    levels('payment', say.titles.payment, [line(say.half, ({ payment }) => payment?.p50Ms), line(say.most, ({ payment }) => payment?.p99Ms)], formats.duration, true),
    levels(
      'completion',
      say.titles.completion,
      [line(say.half, ({ completion }) => completion?.p50Ms), line(say.most, ({ completion }) => completion?.p99Ms)],
      formats.duration,
      true,
    ),
    levels('tasks', say.titles.tasks, [line(say.tasks, ({ waiting }) => waiting?.tasks)], formats.count),
    levels(
      'lags',
      say.titles.lags,
      [
        line(say.oldestTask, ({ waiting }) => seconds(waiting?.tasksSeconds)),
        line(say.projection, ({ waiting }) => seconds(waiting?.projectionSeconds)),
        line(say.events, ({ waiting }) => seconds(waiting?.eventsSeconds)),
        line(say.notices, ({ waiting }) => seconds(waiting?.noticesSeconds)),
      ],
      formats.duration,
    ),
  ];
  if (currency === null) return charts;
  return [...charts.slice(0, 4), revenueOf(buckets, currency, say, formats), ...charts.slice(4)];
}

/** Sums are exact; the lines are drawn with doubles. */
function revenueOf(buckets: (Bucket | null)[], currency: string, say: Say, formats: Formats): Chart {
  const lines = [
    { name: say.captured, of: 'captured' as const },
    { name: say.refunded, of: 'refunded' as const },
  ].map(({ name, of }) => {
    const amounts = buckets.map((bucket) => bucket && (money.fromJson(bucket.revenue.find((moved) => moved.currency === currency)?.[of] ?? 0, currency) ?? 0n));
    const sum = amounts.reduce<money.Minor>((sum, amount) => sum + (amount ?? 0n), 0n);
    return { name, values: amounts.map((amount) => (amount === null ? null : money.toJson(amount, currency))), total: say.total(name, formats.minor(sum, currency)) };
  });
  const format = (value: number) => {
    const amount = money.fromJson(value, currency);
    // The marks of the scale may be finer than the currency.
    return amount === null ? formats.count(value) : formats.minor(amount, currency);
  };
  return { id: 'revenue', title: say.titles.revenue(currency), lines, summary: lines.map(({ total }) => total).join(', '), format, isLogarithmic: false };
}
