// An order that is partly out of stock: the customer takes the offer or cancels.

import assert from 'node:assert/strict';
import { visit } from './visit.js';

const { LAST, SOLD_OUT } = process.env;

visit('a customer takes the offer', async ({ page, shop }) => {
  await shop.open();
  await shop.fillIn('tok_visa', LAST);
  await page.getByRole('button', { name: /^One more of/ }).click();
  await shop.add('PROD-004');
  await shop.place();
  await shop.reaches('ACTION_REQUIRED');
  const question = page.locator('#amend');
  await question.getByText('1 of 2 for you').waitFor();
  await question.getByText('1 of 1 for you').waitFor();
  assert.equal(await page.locator('#amend-total').textContent(), '$49.95');

  const calls = shop.countPosts('/amend');
  await question.getByRole('button', { name: 'Take the offer' }).dblclick();
  await shop.reaches('COMPLETED');
  assert.equal(calls.length, 1, 'a double click is one call');
  assert.equal(await page.locator('#order-total').textContent(), '$49.95');
  assert.match(await page.locator('#order-items').textContent(), /1 × \$10\.00.*2 ordered/);
  assert.equal(await question.count(), 0);
});

visit('a customer cancels instead', async ({ page, shop }) => {
  await shop.openAt(await shop.send({ [SOLD_OUT]: 1, 'PROD-004': 1 }), 'ACTION_REQUIRED');
  await page.locator('#amend').getByText('0 of 1 for you').waitFor();
  await shop.cancel('all or nothing');
  await shop.reaches('CANCELLED');
  assert.match(await page.locator('#order-payment').textContent(), /Not charged/);
});

visit('a late decision is refused, and the page shows the status of the order', async ({ page, shop }) => {
  const id = await shop.send({ [SOLD_OUT]: 1, 'PROD-004': 1 });
  await shop.openAt(id, 'ACTION_REQUIRED');
  // Another caller takes the offer a moment earlier.
  await page.route('**/amend', async (route) => {
    await shop.post(`/api/orders/${id}/amend`, {});
    await shop.reaches('COMPLETED');
    await route.continue();
  });
  await page.getByRole('button', { name: 'Take the offer' }).click();
  await page.getByRole('status').filter({ hasText: 'already decided' }).waitFor();
  await shop.reaches('COMPLETED');
});
