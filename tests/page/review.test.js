// Orders that exceed a customer's limit: staff approve or decline them.

import assert from 'node:assert/strict';
import { visit } from './visit.js';

/** The units of an order that exceeds the stack's limit. */
const LARGE = { 'PROD-001': 40 };

visit('staff approve an order that waits for them', async ({ page, shop }) => {
  const id = await shop.send(LARGE);
  await shop.openAt(id, 'IN_REVIEW');
  await page.getByRole('link', { name: 'Operations' }).click();
  const row = page.getByRole('region', { name: 'Waiting for approval' }).locator(`[data-order="${id}"]`);
  await row.getByLabel('Note').fill('a known customer');
  const calls = shop.countPosts('/review');
  await row.getByRole('button', { name: 'Approve' }).dblclick();
  await row.waitFor({ state: 'hidden' });
  assert.deepEqual(calls.map((call) => call.postDataJSON()), [{ approved: true, note: 'a known customer' }]);
  await shop.openAt(id, 'COMPLETED');
});

visit('staff decline an order on its own page', async ({ page, shop }) => {
  await shop.openAt(await shop.send(LARGE), 'IN_REVIEW');
  await page.getByRole('button', { name: 'Decline' }).click();
  await shop.reaches('FAILED');
  assert.match(await shop.status.textContent(), /The shop did not approve the order\./);
});

visit('the second decision is refused', async ({ page, shop }) => {
  const id = await shop.send(LARGE);
  await shop.openAt(id, 'IN_REVIEW');
  await page.route('**/review', async (route) => {
    await shop.post(`/api/orders/${id}/review`, { approved: false });
    await shop.reaches('FAILED');
    await route.continue();
  });
  await page.getByRole('button', { name: 'Approve' }).click();
  await page.getByRole('status').filter({ hasText: 'already decided' }).waitFor();
  await shop.reaches('FAILED');
});
