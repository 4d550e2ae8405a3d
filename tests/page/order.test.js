// The page of one order: it follows the order to its end, cancels it, and shows outages.

import assert from 'node:assert/strict';
import { overrideOrder } from './override-order.js';
import { visit } from './visit.js';

visit('a declined card is shown with its reason', async ({ shop }) => {
  await shop.order('tok_declined');
  await shop.reaches('FAILED');
  const [order] = await shop.orders();
  assert.match(order.failureReason, /declined/i);
  for (const shown of [await shop.status.textContent(), await shop.history.last().textContent()]) {
    assert.ok(shown.toLowerCase().includes(order.failureReason), `"${shown}" gives the reason`);
  }
});

visit('an order of more than the stock fails as out of stock', async ({ page, shop }) => {
  await shop.open();
  await shop.fillIn('tok_visa', process.env.SCARCE);
  await page.getByRole('button', { name: /^One more of/ }).click();
  await shop.place();
  await shop.reaches('FAILED');
  assert.match(await shop.status.textContent(), /is out of stock/);
  assert.match(await page.locator('#order-payment').textContent(), /Not charged/);
});

visit('the page follows the order after a reload, and cancelling ends it', async ({ page, shop }) => {
  await shop.order('tok_down');
  const id = shop.orderId;
  await shop.reaches('RESERVED');
  await page.reload();
  await shop.reaches('RESERVED');
  assert.equal(shop.orderId, id);
  assert.deepEqual(await page.locator('#history .upcoming').evaluateAll((rows) => rows.map((row) => row.dataset.status)), ['PAID', 'SHIPPED', 'DELIVERED', 'COMPLETED']);
  await shop.cancel('changed my mind');
  await shop.reaches('CANCELLED');
  assert.match(await shop.history.last().textContent(), /Cancelled.*changed my mind/i);
  await shop.cancelButton.waitFor({ state: 'hidden' });
});

visit('a dialog that is closed cancels nothing', async ({ page, shop }) => {
  await shop.order('tok_down');
  await shop.reaches('RESERVED');
  await shop.cancelButton.click();
  await page.keyboard.press('Escape');
  assert.equal(await page.getByRole('dialog').count(), 0);
  assert.ok(await shop.cancelButton.evaluate((button) => button === document.activeElement), 'the focus is back');
  await shop.cancel();
  await shop.reaches('CANCELLED');
});

visit('an outage of the API is shown, and the page recovers by itself', async ({ page, context, shop }) => {
  await shop.order('tok_down');
  await shop.reaches('RESERVED');
  await context.setOffline(true);
  const away = page.getByRole('alert').filter({ hasText: 'not answering' });
  await away.waitFor();
  await context.setOffline(false);
  await away.waitFor({ state: 'hidden' });
  await shop.cancel();
  await shop.reaches('CANCELLED');
});

visit('a queued order is shown as queued', async ({ page, shop }) => {
  await shop.order('tok_down');
  await overrideOrder(page, { queued: true, status: 'PENDING' });
  await page.reload();
  await page.getByRole('status').filter({ hasText: 'safe and queued' }).waitFor();
  await page.unrouteAll({ behavior: 'ignoreErrors' });
  await shop.cancel();
  await shop.reaches('CANCELLED');
});

visit('values of a newer API are shown, and an unknown status breaks nothing', async ({ page, shop }) => {
  await shop.order();
  await shop.reaches('COMPLETED');
  await overrideOrder(page, {
    status: 'BEING_WRAPPED',
    history: [{ status: 'BEING_WRAPPED', at: '2026-11-21T10:00:50.527Z' }],
    compensating: true,
    shipments: [{ id: 'shp_1', status: 'LAUNCHED', carrier: 'Sandbox Post', trackingNumber: 'SP123', trackingUrl: 'javascript:alert(1)', items: [] }],
    refunds: [{ id: 'ref_1', amount: 10.5, status: 'ON_HOLD', reason: 'a scratch' }],
    notifications: [{ type: 'ORDER_WRAPPED', channel: 'PIGEON', at: '2026-11-21T10:00:50.527Z' }],
  });
  await page.reload();
  await page.locator('#order-status').getByText('Being wrapped').waitFor();
  const text = await page.locator('main').innerText();
  for (const shown of ['being withdrawn', 'Launched', 'Sandbox Post', 'SP123', '$10.50', 'On hold', 'A scratch.', 'Wrapped', 'Pigeon']) {
    assert.ok(text.includes(shown), `${shown} in ${text}`);
  }
  assert.equal(await page.locator('#shipments a').count(), 0, 'only an https address is linked to');
});

visit('a link to an unknown order says so', async ({ page, shop }) => {
  await shop.open('/orders/ord_01930000000070008000000000000009');
  await page.getByText('There is no such order').waitFor();
});

visit('links of the first page still work', async ({ page, shop }) => {
  await shop.order();
  const id = shop.orderId;
  await shop.open(`/?order=${id}`);
  await shop.reaches('COMPLETED');
  assert.equal(new URL(page.url()).pathname, `/orders/${id}`);
});
