// A customer's list of orders, and the lists of all orders that staff see.

import assert from 'node:assert/strict';
import { visit } from './visit.js';

const ids = (page, within = 'main') => page.locator(`${within} [data-order]`).evaluateAll((rows) => rows.map((row) => row.dataset.order));

/** Places `count` orders through the API. Returns their ids, newest first. */
async function place(shop, count, paymentMethod = 'tok_visa') {
  const placed = [];
  for (let n = 0; n < count; n++) placed.unshift(await shop.send({ 'PROD-001': 1 }, paymentMethod));
  return placed;
}

visit('a customer finds their orders, page by page and by status', async ({ page, shop }) => {
  const placed = await place(shop, 23);
  const [failed] = await place(shop, 1, 'tok_declined');
  await shop.openAt(failed, 'FAILED');
  await shop.open('/orders');
  await page.getByText('Enter your customer ID').waitFor();
  await page.getByLabel('Orders of customer').fill(shop.customer);
  await page.getByRole('button', { name: 'Show orders' }).click();
  await page.getByRole('button', { name: 'Show more' }).click();
  await page.getByText('24 orders shown').waitFor();
  assert.deepEqual(await ids(page), [failed, ...placed]);

  const filter = page.getByRole('button', { name: 'Failed' });
  await filter.click();
  await page.locator(`[data-order="${failed}"]`).waitFor();
  await page.getByRole('button', { name: 'Refresh' }).click();
  await page.getByText('1 order shown').waitFor();
  assert.equal(await filter.getAttribute('aria-pressed'), 'true');
  assert.match(page.url(), /status=FAILED/);

  await page.locator(`[data-order="${failed}"] a`).click();
  await shop.reaches('FAILED');
  await page.goBack();
  await page.getByText('1 order shown').waitFor();
  assert.deepEqual(await ids(page), [failed], 'the way back leads to the same list');
});

visit('a customer without orders is led to the shop', async ({ page, shop }) => {
  await shop.open(`/orders?customerID=${shop.customer}`);
  await page.getByText('No orders yet.').waitFor();
  await page.getByRole('link', { name: 'To the shop' }).click();
  await page.locator('#products li').first().waitFor();
});

visit('a list that does not load can be loaded again', async ({ page, shop }) => {
  await page.route('**/api/orders?*', (route) => route.abort(), { times: 1 });
  await shop.open(`/orders?customerID=${shop.customer}`);
  await page.getByRole('alert').getByRole('button', { name: 'Try again' }).click();
  await page.getByText('No orders yet.').waitFor();
});

visit('operations show the parts, the open orders and those of a status', async ({ page, shop }) => {
  const [open] = await place(shop, 1, 'tok_down');
  const [failed] = await place(shop, 1, 'tok_declined');
  await shop.open(`/orders/${failed}`);
  await shop.reaches('FAILED');
  await page.getByRole('link', { name: 'Operations' }).click();
  for (const part of ['read-model', 'temporal', 'intake-queue']) await page.locator(`[data-part="${part}"][data-state="up"]`).waitFor();
  const openOrders = page.getByRole('region', { name: 'Open orders' });
  await openOrders.locator(`[data-order="${open}"]`).waitFor();
  await page.getByRole('region', { name: 'All orders' }).locator(`[data-order="${failed}"]`).waitFor();
  assert.match(await page.getByRole('link', { name: 'Temporal UI' }).getAttribute('href'), /\/namespaces\/default\/workflows$/);

  await openOrders.locator(`[data-order="${open}"] a`).click();
  await shop.reaches('RESERVED');
  await shop.cancel();
  await shop.reaches('CANCELLED');

  await page.getByRole('link', { name: 'Operations' }).click();
  await page.getByLabel('Find an order or a customer').fill(shop.customer);
  await page.getByRole('button', { name: 'Find' }).click();
  await page.locator(`[data-order="${failed}"]`).waitFor();
  assert.deepEqual(await ids(page), [failed, open]);
});

visit('operations show that an order is stuck', async ({ page, shop }) => {
  const long = { id: 'ord_01930000000070008000000000000001', customerID: 'C', status: 'PAID', createdAt: '2026-01-01T00:00:00Z', currency: 'USD', totalAmount: 1, items: [], history: [{ status: 'PAID', at: '2026-01-01T00:00:01Z' }] };
  await page.route('**/api/orders?status=PAID*', (route) => route.fulfill({ json: { items: [long], nextCursor: null } }));
  await shop.open('/operations');
  await page.locator(`[data-order="${long.id}"]`).getByText('Stuck').waitFor();
});
