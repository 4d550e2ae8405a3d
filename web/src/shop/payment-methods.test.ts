import assert from 'node:assert/strict';
import { test } from 'node:test';
import { methodFor } from './payment-methods.ts';

const shop = { sandbox: false, paymentMethods: [{ id: 'pm_card', label: 'Card' }, { id: 'pm_invoice', label: 'Invoice' }] };

test('the chosen payment method is used if the shop offers it', () => {
  assert.equal(methodFor('pm_invoice', shop), 'pm_invoice');
  assert.equal(methodFor('tok_visa', shop), 'pm_card', 'a method that the shop does not offer is ignored');
  assert.equal(methodFor('tok_declined', { sandbox: true }), 'tok_declined');
  assert.equal(methodFor('tok_visa', { sandbox: false }), '', 'the API decides');
});
