import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Span } from '../../api/model.ts';
import { closedAtFirst, rowsOf, scaleOf, sizeOf, treesOf } from './waterfall.ts';

const SECOND = 1_000_000;
const DAY = 86_400 * SECOND;

const span = (id: string, startMicros: number, durationMicros: number, more: Partial<Span> = {}): Span => ({
  id,
  part: 'worker',
  name: `step ${id}`,
  startMicros,
  durationMicros,
  ...more,
});
const ids = (rows: ReturnType<typeof rowsOf>) => rows.map(({ node, level, position, siblings }) => `${node.span.id} ${level} ${position}/${siblings}`);

test('spans are a tree in the sequence of their starts, and closed spans hide what is within', () => {
  const trees = treesOf([span('c', 5, 1, { parentID: 'a' }), span('a', 0, 10), span('d', 6, 1, { parentID: 'c' }), span('b', 2, 1, { parentID: 'a' })]);
  assert.deepEqual(ids(rowsOf(trees, new Set())), ['a 1 1/1', 'b 2 1/2', 'c 2 2/2', 'd 3 1/1']);
  assert.deepEqual(ids(rowsOf(trees, new Set(['c']))), ['a 1 1/1', 'b 2 1/2', 'c 2 2/2']);
  assert.equal(trees[0] && sizeOf(trees[0]), 3);
});

test('a span without its parent, or within itself, is still shown', () => {
  const lost = treesOf([span('a', 0, 1, { parentID: 'gone' }), span('b', 1, 1, { parentID: 'b' }), span('c', 2, 1, { parentID: 'd' }), span('d', 3, 1, { parentID: 'c' })]);
  assert.equal(rowsOf(lost, new Set()).length, 4);
});

test('a long trace opens only what failed', () => {
  const many = Array.from({ length: 150 }, (_, n) => span(`${n}`, n, 1, n === 0 ? {} : { parentID: n < 10 ? '0' : `${1 + (n % 9)}` }));
  const trees = treesOf(many.map((span) => (span.id === '12' ? { ...span, error: 'declined' } : span)));
  const shown = rowsOf(trees, closedAtFirst(trees, many.length)).map(({ node }) => node.span.id);
  assert.ok(shown.includes('12') && shown.length < 30, String(shown));
  assert.equal(closedAtFirst(trees, 100).size, 0);
});

test('days without a step are shortened, and the steps keep their proportions', () => {
  const spans = [
    span('workflow', 0, 2 * DAY + 4 * SECOND),
    span('pay', 0, SECOND, { parentID: 'workflow' }),
    span('ship', SECOND, SECOND, { parentID: 'workflow' }),
    span('deliver', 2 * DAY + 2 * SECOND, 2 * SECOND, { parentID: 'workflow' }),
  ];
  const { at, gaps, micros } = scaleOf(spans);
  assert.equal(micros, 2 * DAY + 4 * SECOND);
  assert.deepEqual(gaps.map(({ micros }) => micros), [2 * DAY]);
  const width = (from: number, until: number) => at(until) - at(from);
  assert.ok(Math.abs(width(2 * DAY + 2 * SECOND, 2 * DAY + 4 * SECOND) - 2 * width(0, SECOND)) < 1e-9);
  assert.ok(width(0, SECOND) > 0.2, 'a second of four has nearly a quarter of the width');
  assert.deepEqual([at(0), Math.round(at(2 * DAY + 4 * SECOND) * 1e9) / 1e9], [0, 1]);
});

test('a slow step is no gap', () => {
  const slow = [span('order', 0, 31 * SECOND), span('reserve', 0, SECOND, { parentID: 'order' }), span('pay', SECOND, 30 * SECOND, { parentID: 'order' })];
  assert.deepEqual(scaleOf(slow).gaps, []);
  const waits = [span('order', 0, 31 * SECOND), span('reserve', 0, SECOND, { parentID: 'order' }), span('pay', 30 * SECOND, SECOND, { parentID: 'order' })];
  assert.equal(scaleOf(waits).gaps.length, 1);
});

test('every trace has a scale', () => {
  assert.equal(scaleOf([]).at(0), 0);
  const moment = scaleOf([span('a', 0, 0)]);
  assert.deepEqual([moment.at(0), moment.micros, moment.gaps], [0, 0, []]);
  const twoMoments = scaleOf([span('a', 0, 0), span('b', DAY, 0)]);
  assert.deepEqual([twoMoments.at(0), twoMoments.at(DAY), twoMoments.gaps.length], [0, 1, 1]);
});

test('many gaps leave room for the steps', () => {
  const spans = Array.from({ length: 250 }, (_, n) => span(`${n}`, n * DAY, SECOND));
  const { at, gaps } = scaleOf(spans);
  assert.equal(gaps.length, 249);
  const steps = spans.reduce((sum, { startMicros }) => sum + at(startMicros + SECOND) - at(startMicros), 0);
  assert.ok(steps > 0.59 && steps < 0.61, String(steps));
});
