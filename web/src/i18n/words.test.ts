import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sentence, translate } from './api-text.tsx';
import { en } from './en.ts';
import { choose } from './language.ts';
import { ru } from './ru.ts';

test('the browser chooses among the languages that there are', () => {
  assert.equal(choose(['ru-RU', 'en']), 'ru');
  assert.equal(choose(['de-DE', 'ru']), 'ru');
  assert.equal(choose(['de', 'fr']), 'en');
  assert.equal(choose(['', 'en-GB']), 'en');
});

test('numbers of things are said as the language does', () => {
  assert.equal(en.shop.found(1, 1), '1 product');
  assert.equal(en.shop.found(3, 100), '3 of 100 products');
  assert.deepEqual([1, 2, 5, 11, 21].map((n) => ru.orders.things(n)), ['1 штука', '2 штуки', '5 штук', '11 штук', '21 штука']);
});

test('what the API has names for has them in every language', () => {
  for (const names of ['statuses', 'scenarios', 'payments', 'refunds', 'shipments', 'notices', 'channels'] as const) {
    assert.deepEqual(Object.keys(ru[names]), Object.keys(en[names]), names);
  }
  for (const names of ['healthOf', 'parts', 'queues', 'attentionKinds'] as const) {
    assert.deepEqual(Object.keys(ru.operations[names]), Object.keys(en.operations[names]), names);
  }
});

test('what the API says is translated where it is known', () => {
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
