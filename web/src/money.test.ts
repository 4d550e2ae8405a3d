import assert from 'node:assert/strict';
import { test } from 'node:test';
import digits from './currency-digits.json' with { type: 'json' };
import * as money from './money.ts';
import { EMPTY_FORM, price, toOrder } from './shop/lines.ts';

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

test('amounts are shown in the format of the language', () => {
  assert.equal(money.formatJson(1299.99, 'USD', 'en'), '$1,299.99');
  assert.equal(money.formatJson(1299.99, 'USD', 'ru').replaceAll(/\s/g, ' '), '1 299,99 $');
  assert.equal(money.formatJson(0.001, 'USD', 'en'), '0.001 USD', 'a number that is not an amount is shown unchanged');
});

test('typed amounts are read exactly, with a point or a comma', () => {
  assert.equal(money.fromText(' 12.50 ', 'USD'), 1250n);
  assert.equal(money.fromText('12,5', 'USD'), 1250n);
  assert.equal(money.fromText('1500', 'JPY'), 1500n);
  for (const text of ['', '-1', '1.234', '1 000', '12.', '1e3', '123456789012']) assert.equal(money.fromText(text, 'USD'), null, text);
});

// Browsers show these currencies with fewer decimal places than ISO 4217 defines. The API follows
// ISO 4217.
test('the API decides how many decimals a currency has, not the browser', () => {
  assert.equal(money.fromJson(999.5, 'HUF'), 99950n);
  assert.equal(money.formatJson(999.5, 'HUF', 'en').replaceAll(/\s/g, ' '), 'HUF 999.50');
  assert.equal(money.fromText('18,600', 'IQD'), 18600n);
  assert.equal(money.toDecimal(18600n, 'IQD'), '18.600');
  assert.equal(money.formatJson(18.6, 'IQD', 'en').replaceAll(/\s/g, ' '), 'IQD 18.600');
});

// The test orders/tests/properties/currencies.rs uses the same amounts for the API.
test('in each currency of the API, an order is written exactly and shown with all decimals', () => {
  const details = { ...EMPTY_FORM, customerID: 'C', language: 'en' } as const;
  for (const [currency, places] of Object.entries(digits)) {
    for (const minor of [1n, 7n * 10n ** BigInt(places) + 5n, 99_950n, 333_333_333_333n]) {
      const unitPrice: number = JSON.parse(money.toDecimal(minor, currency));
      assert.equal(money.fromJson(unitPrice, currency), minor, currency);
      const product = { productID: 'P', name: 'N', unitPrice, currency, inStock: true };
      const order = toOrder(price([{ productID: 'P', quantity: '3' }], new Map([['P', product]])), details);
      assert.equal(order.currency, currency);
      assert.equal(JSON.stringify(order.items[0]?.unitPrice), JSON.stringify(unitPrice));
      assert.equal(money.fromJson(JSON.parse(JSON.stringify(order.totalAmount)), currency), 3n * minor, currency);
      const shown = money.format(minor, currency, 'en');
      assert.equal(shown.replaceAll(/\D/g, ''), String(minor).padStart(places + 1, '0'), `${currency}: ${shown}`);
      assert.equal(money.fromText(money.toDecimal(minor, currency), currency), minor.toString().length - places > 11 ? null : minor, currency);
    }
  }
});
