import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sentence, translate } from './api-text.tsx';
import { en } from './en.ts';
import { choose } from './language.ts';
import { ru } from './ru.ts';

test('the languages of the browser choose a language that the page offers', () => {
  assert.equal(choose(['ru-RU', 'en']), 'ru');
  assert.equal(choose(['de-DE', 'ru']), 'ru');
  assert.equal(choose(['de', 'fr']), 'en');
  assert.equal(choose(['', 'en-GB']), 'en');
});

test('a noun after a number has the plural form of the language', () => {
  assert.equal(en.shop.found(1, 1), '1 product');
  assert.equal(en.shop.found(3, 100), '3 of 100 products');
  assert.deepEqual([1, 2, 5, 11, 21].map((n) => ru.orders.things(n)), ['1 штука', '2 штуки', '5 штук', '11 штук', '21 штука']);
});

test('each name of the API has a text in every language', () => {
  for (const names of ['statuses', 'scenarios', 'payments', 'refunds', 'shipments', 'notices', 'channels'] as const) {
    assert.deepEqual(Object.keys(ru[names]), Object.keys(en[names]), names);
  }
  for (const names of ['healthOf', 'parts', 'queues', 'attentionKinds'] as const) {
    assert.deepEqual(Object.keys(ru.operations[names]), Object.keys(en.operations[names]), names);
  }
  assert.deepEqual(Object.keys(ru.trace.parts), Object.keys(en.trace.parts));
});

test('known texts of the API are translated, unknown texts are not', () => {
  assert.equal(translate('the card was declined', ru.api), 'карта отклонена');
  assert.equal(translate('must be a whole number from 1 to 10000', ru.api), 'нужно целое число от 1 до 10000');
  assert.equal(translate('PROD-001: only 2 units can come back', ru.api), 'PROD-001: вернуть на склад можно не больше 2 шт.');
  assert.equal(translate('something new', ru.api), null);
});

test('messages become sentences', () => {
  assert.equal(sentence('is required'), 'Is required.');
  assert.equal(sentence('Try again.'), 'Try again.');
  assert.equal(sentence(''), '');
});
