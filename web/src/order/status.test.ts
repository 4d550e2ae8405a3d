import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { en } from '../i18n/en.ts';
import { isFinal, LISTED, OPEN, plainName, traitsOf, upcoming } from './status.ts';

const document = JSON.parse(readFileSync(new URL('../../../functions/openapi.json', import.meta.url), 'utf8'));

test('lists offer every status of the API, and each has words', () => {
  assert.deepEqual(LISTED, document.components.schemas.OrderStatus.enum);
  for (const status of LISTED) assert.ok(en.statuses[status], status);
});

test('what the API calls final is final, and nothing else', () => {
  const text: string = document.components.schemas.OrderStatus.description;
  const finals = LISTED.filter((status) => text.includes(status));
  assert.deepEqual(LISTED.filter(isFinal), finals);
  assert.deepEqual(OPEN, LISTED.filter((status) => !finals.includes(status)));
});

test('an open order shows what is to come', () => {
  assert.deepEqual(upcoming('PENDING'), ['RESERVED', 'PAID', 'COMPLETED']);
  assert.deepEqual(upcoming('COMPLETED'), []);
  assert.deepEqual(upcoming('FAILED'), []);
  assert.deepEqual(upcoming('ACTION_REQUIRED'), []);
});

test('a status of a newer API breaks nothing', () => {
  assert.deepEqual(traitsOf('BEING_GIFT_WRAPPED'), { tone: 'progress', isFinal: false, canCancel: true });
  assert.equal(plainName('BEING_GIFT_WRAPPED'), 'Being gift wrapped');
  assert.deepEqual(traitsOf('constructor').isFinal, false);
});
