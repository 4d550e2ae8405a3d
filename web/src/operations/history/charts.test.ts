import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Bucket, History } from '../../api/model.ts';
import { en } from '../../i18n/en.ts';
import { bucketsOf, chartsOf, currenciesOf, gapsOf, timesOf } from './charts.ts';

const FORMATS = { count: String, duration: (ms: number) => `${ms} ms`, minor: (amount: bigint, currency: string) => `${amount} ${currency}` };
const at = (minute: number) => `2026-11-21T08:0${minute}:00.000Z`;
const bucket = (minute: number, more: Partial<Bucket> = {}): Bucket => ({
  at: at(minute),
  accepted: minute,
  completed: 1,
  failed: 0,
  cancelled: 0,
  payment: null,
  completion: null,
  revenue: [],
  waiting: null,
  ...more,
});
const history = (...buckets: Bucket[]): History => ({ period: 'hour', bucketSeconds: 60, from: at(0), until: at(5), buckets });
const chart = (of: History, id: string, currency: string | null = null) => {
  const found = chartsOf(of, currency, en.operations.history, FORMATS).find((chart) => chart.id === id);
  assert.ok(found, id);
  return found;
};

test('a bucket that nobody counted is a gap, not zero', () => {
  const some = history(bucket(1), bucket(3, { accepted: 0 }));
  assert.deepEqual(timesOf(some).map((time) => time - Date.parse(at(0)) / 1000), [0, 60, 120, 180, 240]);
  assert.deepEqual(bucketsOf(some).map((bucket) => bucket?.accepted ?? null), [null, 1, null, 0, null]);
  assert.deepEqual(chart(some, 'orders').lines[0]?.values, [null, 1, null, 0, null]);
  assert.deepEqual(gapsOf(some), { missing: 2, staleSince: Date.parse(at(4)) / 1000 });
  assert.deepEqual(gapsOf(history(bucket(3), bucket(4))), { missing: 0, staleSince: null }, 'before the first bucket nothing is missing');
  assert.deepEqual(gapsOf(history()), { missing: 0, staleSince: null });
});

test('a chart is also one sentence', () => {
  const waiting = (tasks: number | null) => ({ tasks, tasksSeconds: null, projectionSeconds: 2, eventsSeconds: 0, noticesSeconds: 0 });
  const some = history(
    bucket(1, { failed: 2, payment: { p50Ms: 40, p99Ms: 900 }, waiting: waiting(7) }),
    bucket(2, { payment: { p50Ms: 50, p99Ms: 300 }, waiting: waiting(3) }),
    bucket(3, { waiting: waiting(null) }),
  );
  assert.equal(chart(some, 'orders').summary, 'Accepted: 6');
  assert.equal(chart(some, 'outcomes').summary, 'Completed: 3, Failed: 2, Cancelled: 0');
  assert.equal(chart(some, 'payment').summary, 'Half within: 50 ms, at most 50 ms; 99 % within: 300 ms, at most 900 ms');
  assert.equal(chart(some, 'completion').summary, 'Nothing in this time.');
  assert.equal(chart(some, 'tasks').summary, 'Waiting tasks: 3, at most 7');
  assert.deepEqual(chart(some, 'lags').lines.map(({ values }) => values[2]), [null, 2000, 0, 0]);
});

test('sums of money are exact, and each currency has its own chart', () => {
  const moved = (currency: string, captured: number, refunded = 0) => ({ currency, captured, refunded });
  const some = history(bucket(1, { revenue: [moved('JPY', 500), moved('USD', 0.1)] }), bucket(2, { revenue: [moved('USD', 0.2, 0.3)] }), bucket(3));
  assert.deepEqual(currenciesOf(some), ['USD', 'JPY']);
  const usd = chart(some, 'revenue', 'USD');
  assert.equal(usd.summary, 'Captured: 30 USD, Refunded: 30 USD');
  assert.deepEqual(usd.lines.map(({ values }) => values), [[null, 0.1, 0.2, 0, null], [null, 0, 0.3, 0, null]]);
  assert.deepEqual([usd.format(0.25), usd.format(0.125)], ['25 USD', '0.125']);
  assert.equal(chartsOf(some, null, en.operations.history, FORMATS).some(({ id }) => id === 'revenue'), false);
});
