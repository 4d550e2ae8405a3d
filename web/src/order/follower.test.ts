import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { Refused, Unreachable } from '../api/errors.ts';
import type { Order } from '../api/model.ts';
import { Follower } from './follower.ts';

const order = (status: string, more: object = {}) => ({ order: { id: 'o', status, ...more } as Order, etag: `"${status}"` });
const problem = (status: number, headers = {}) => new Refused(new Response(null, { status, headers }), null);

let asked: (string | null)[];
let seen: string[];

/** Follows an order through a stub of the API that gives these answers one after the other. */
function follow(answers: (ReturnType<typeof order> | null | Error)[], isNew = false): Follower {
  asked = [];
  seen = [];
  const ask = async (etag: string | null) => {
    asked.push(etag);
    const answer = answers[Math.min(asked.length, answers.length) - 1];
    if (answer instanceof Error) throw answer;
    return answer ?? null;
  };
  const follower = new Follower(
    {
      ask,
      onOrder: ({ status }) => seen.push(status),
      onReach: (isAway) => seen.push(isAway ? 'away' : 'back'),
      onRefused: ({ status }) => seen.push(`refused ${status}`),
    },
    isNew,
  );
  follower.now();
  return follower;
}

async function pass(ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 50) {
    // Lets pending answers arrive before the clock advances.
    await new Promise(setImmediate);
    mock.timers.tick(50);
  }
  await new Promise(setImmediate);
}

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ['setTimeout'] });
});

test('it polls with the known entity tag, and stops when the order has ended', async () => {
  follow([order('PENDING'), null, order('COMPLETED')]);
  await pass(5_000);
  assert.deepEqual(asked, [null, '"PENDING"', '"PENDING"']);
  assert.deepEqual(seen.filter((what) => what !== 'back'), ['PENDING', 'COMPLETED']);
});

test('an order in compensation is still followed', async () => {
  follow([order('FAILED', { compensating: true }), order('FAILED')]);
  await pass(5_000);
  assert.equal(asked.length, 2);
});

test('it polls more and more slowly while nothing changes, and not at all while paused', async () => {
  const follower = follow([order('PENDING'), null]);
  await pass(60_000);
  const patient = asked.length;
  assert.ok(patient > 10 && patient < 30, `${patient} questions in a minute`);
  follower.pause();
  await pass(60_000);
  assert.equal(asked.length, patient);
  follower.now();
  await pass(1_000);
  assert.ok(asked.length >= patient + 3, 'it polls fast again');
  follower.stop();
});

test('an unavailable API is polled again, but not before its Retry-After', async () => {
  const follower = follow([new Unreachable(null), problem(503, { 'Retry-After': '7' }), order('COMPLETED')]);
  await pass(7_500);
  assert.deepEqual(seen, ['away', 'away']);
  await pass(1_500);
  assert.deepEqual(seen, ['away', 'away', 'back', 'COMPLETED']);
  follower.stop();
});

test('an unknown order is refused, unless it is new', async () => {
  follow([problem(404)]);
  await pass(1_000);
  assert.deepEqual(seen, ['refused 404']);
  follow([problem(404), order('COMPLETED')], true);
  await pass(1_000);
  assert.deepEqual(seen, ['back', 'COMPLETED']);
});

test('an order that has ended is polled again when a refund is expected, until the refund has succeeded', async () => {
  const refunded = (status: string) => order('COMPLETED', { refunds: [{ id: 'r', amount: 1, status }] });
  const follower = follow([order('COMPLETED'), null, null, refunded('PENDING'), null, refunded('SUCCEEDED')]);
  await pass(5_000);
  follower.now();
  await pass(5_000);
  assert.equal(asked.length, 1, 'it does not poll any more');
  follower.expect();
  await pass(10_000);
  assert.equal(asked.length, 6);
  assert.deepEqual(seen.filter((what) => what !== 'back'), ['COMPLETED', 'COMPLETED', 'COMPLETED']);
});
