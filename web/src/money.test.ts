import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as money from './money.ts';

test('amounts are read exactly, by their currency', () => {
  assert.equal(money.fromJson(1299.99, 'USD'), 129999n);
  assert.equal(money.fromJson(0.1, 'USD'), 10n);
  assert.equal(money.fromJson(1500, 'JPY'), 1500n);
  assert.equal(money.fromJson(9_999_999_999.99, 'USD'), 999_999_999_999n);
  assert.equal(money.fromJson(1.5, 'JPY'), null, 'yen have no decimals');
  assert.equal(money.fromJson(0.001, 'USD'), null);
  assert.equal(money.fromJson(-1, 'USD'), null);
  assert.equal(money.fromJson(1e21, 'USD'), null, 'an exponent is no amount');
});

test('every amount goes into JSON and comes back unchanged', () => {
  for (const minor of [0n, 1n, 10n, 99n, 7_014_65n, 8_050_05n, 999_999_999_999n]) {
    const json = JSON.stringify(money.toJson(minor, 'USD'));
    assert.equal(money.fromJson(JSON.parse(json), 'USD'), minor);
    assert.match(json, /^\d+(\.\d{1,2})?$/);
  }
});

test('sums that doubles get wrong are right', () => {
  const tenth = money.fromJson(0.1, 'USD')!;
  const fifth = money.fromJson(0.2, 'USD')!;
  assert.equal(money.toDecimal(tenth + fifth, 'USD'), '0.30');
});

test('people read amounts in their own manner', () => {
  assert.equal(money.formatJson(1299.99, 'USD', 'en'), '$1,299.99');
  assert.equal(money.formatJson(1299.99, 'USD', 'ru').replaceAll(/\s/g, ' '), '1 299,99 $');
  assert.equal(money.formatJson(0.001, 'USD', 'en'), '0.001 USD', 'what is no amount is shown as it came');
});

test('amounts that are typed are read exactly, in either manner', () => {
  assert.equal(money.fromText(' 12.50 ', 'USD'), 1250n);
  assert.equal(money.fromText('12,5', 'USD'), 1250n);
  assert.equal(money.fromText('1500', 'JPY'), 1500n);
  for (const text of ['', '-1', '1.234', '1 000', '12.', '1e3', '123456789012']) assert.equal(money.fromText(text, 'USD'), null, text);
});
