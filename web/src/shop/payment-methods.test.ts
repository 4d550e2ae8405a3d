import assert from 'node:assert/strict';
import { test } from 'node:test';
import { methodFor } from './payment-methods.ts';

const shop = { sandbox: false, paymentMethods: [{ id: 'pm_card', label: 'Card' }, { id: 'pm_invoice', label: 'Invoice' }] };

test('an order is paid with what was chosen among what there is', () => {
  assert.equal(methodFor('pm_invoice', shop), 'pm_invoice');
  assert.equal(methodFor('tok_visa', shop), 'pm_card', 'what was chosen in another shop is forgotten');
  assert.equal(methodFor('tok_declined', { sandbox: true }), 'tok_declined');
  assert.equal(methodFor('tok_visa', { sandbox: false }), '', 'the API decides');
});
