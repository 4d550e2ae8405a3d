import assert from 'node:assert/strict';
import { test } from 'node:test';
import { en } from '../i18n/en.ts';
import { linesOf } from './depths.ts';

const queue = (waiting: number | null, inFlight: number | null, dead: number | null) => ({ name: 'intake', waiting, inFlight, dead });
const first = (waiting: number | null, inFlight: number | null, dead: number | null) =>
  linesOf({ queues: [queue(waiting, inFlight, dead)], workflows: null }, en.operations)[0];

test('a queue shows the waiting messages, and dead letters are bad', () => {
  assert.deepEqual(first(0, 0, 0), { name: 'intake', title: 'Orders for Temporal', counts: '0 waiting', warning: null });
  assert.equal(first(3, 1, 0)?.counts, '3 waiting, 1 in work');
  assert.deepEqual(first(3, 1, 2)?.warning, { text: '2 given up', tone: 'bad' });
});

test('an unknown number is shown as unknown', () => {
  assert.deepEqual(first(null, null, null), { name: 'intake', title: 'Orders for Temporal', counts: '', warning: { text: 'unknown', tone: 'attention' } });
  assert.deepEqual(first(1, 0, null)?.warning, { text: 'unknown', tone: 'attention' });
  assert.deepEqual(linesOf({ queues: [], workflows: null }, en.operations)[0]?.warning, { text: 'unknown', tone: 'attention' });
});

test('tasks without a worker are bad', () => {
  const tasks = (backlog: number, polled: boolean) => linesOf({ queues: [], workflows: { backlog, oldestSeconds: 7, polled } }, en.operations)[0];
  assert.deepEqual(tasks(0, true), { name: 'tasks', title: 'Tasks for workers', counts: '0 waiting', warning: null });
  assert.equal(tasks(12, true)?.counts, '12 waiting, the oldest for 7 s');
  assert.deepEqual(tasks(0, false)?.warning, { text: 'no worker', tone: 'bad' });
});

test('a queue of a newer API is shown by its name', () => {
  const lines = linesOf({ queues: [{ name: 'returns', waiting: 1, inFlight: 0, dead: 0 }], workflows: null }, en.operations);
  assert.equal(lines[0]?.title, 'returns');
});
