import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { en } from '../i18n/en.ts';
import { isFinal, LISTED, OPEN, plainName, traitsOf, upcoming } from './status.ts';

const document = JSON.parse(readFileSync(new URL('../../../functions/openapi.json', import.meta.url), 'utf8'));
const { enum: statuses, description }: { enum: string[]; description: string } = document.components.schemas.OrderStatus;
/** The statuses that a sentence of the OpenAPI document names. */
const named = (what: RegExp) => {
  const sentence = description.split('. ').find((sentence) => what.test(sentence)) ?? '';
  return statuses.filter((status) => sentence.includes(status));
};

test('lists offer every status of the API, and each status has a text', () => {
  assert.deepEqual(LISTED, statuses);
  for (const status of LISTED) assert.ok(en.statuses[status], status);
});

test('exactly those statuses are final that the API calls final', () => {
  const finals = named(/are final/);
  assert.ok(finals.length > 0);
  assert.deepEqual(LISTED.filter(isFinal), finals);
  assert.deepEqual(OPEN, statuses.filter((status) => !finals.includes(status)));
});

test('an order can be cancelled before the status from which the API refuses it', () => {
  const [tooLate] = named(/no longer be cancelled/);
  const from = statuses.indexOf(tooLate ?? '');
  assert.ok(from > 0);
  for (const [n, status] of LISTED.entries()) assert.equal(traitsOf(status).canCancel, n < from, status);
});

test('an open order shows the statuses that are still to come', () => {
  assert.deepEqual(upcoming('PENDING', true), ['RESERVED', 'PAID', 'SHIPPED', 'DELIVERED', 'COMPLETED']);
  assert.deepEqual(upcoming('ACTION_REQUIRED', true), upcoming('PENDING', true));
  assert.deepEqual(upcoming('IN_REVIEW', true), upcoming('PENDING', true));
  assert.deepEqual(upcoming('SHIPPED', true), ['DELIVERED', 'COMPLETED']);
  for (const status of ['COMPLETED', 'FAILED', 'CANCELLED', 'BEING_GIFT_WRAPPED']) assert.deepEqual(upcoming(status, true), [], status);
});

test('a shop that ships nothing announces no parcel, but follows one that is on its way', () => {
  assert.deepEqual(upcoming('PENDING', false), ['RESERVED', 'PAID', 'COMPLETED']);
  assert.deepEqual(upcoming('PAID', false), ['COMPLETED']);
  assert.deepEqual(upcoming('SHIPPED', false), ['DELIVERED', 'COMPLETED']);
});

test('a status of a newer API breaks nothing', () => {
  assert.deepEqual(traitsOf('BEING_GIFT_WRAPPED'), { tone: 'progress', isFinal: false, canCancel: true, waits: false });
  assert.equal(plainName('BEING_GIFT_WRAPPED'), 'Being gift wrapped');
  assert.deepEqual(traitsOf('constructor').isFinal, false);
});
