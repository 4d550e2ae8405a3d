// The operations view: staff restock products, and see how much work is waiting and why an order is
// in review. Also the mail to a customer.

import assert from 'node:assert/strict';
import { visit } from './visit.js';

const ITEM = { id: 'ord_01930000000070008000000000000001', detail: 'PAID', since: '2026-11-21T08:00:00Z' };
const form = (page) => page.locator('#restock-form');
const add = (page) => form(page).getByRole('button', { name: 'Add to stock' });

visit('restocked units can be ordered, and are added once', async ({ page, shop }) => {
  const { EMPTY } = process.env;
  await shop.open();
  await page.locator('#search').fill(EMPTY);
  const product = page.locator(`[data-product="${EMPTY}"]`);
  await product.getByText('Sold out').waitFor();

  await page.getByRole('link', { name: 'Operations' }).click();
  await add(page).click();
  for (const id of ['restock-product-fault', 'restock-quantity-fault']) {
    await page.locator(`#${id}:not(:empty)`).waitFor();
    assert.equal(await page.locator(`[aria-describedby~="${id}"]`).getAttribute('aria-invalid'), 'true', id);
  }
  await form(page).getByLabel('Product').selectOption(EMPTY);
  await form(page).getByLabel('Units').fill('0');
  await add(page).click();
  await page.locator('#restock-quantity-fault').getByText('Must be a whole number from 1 to 1000000.').waitFor();

  await form(page).getByLabel('Units').fill('7');
  await form(page).getByLabel('Reason').fill('delivery of Monday');
  // The answer is lost once; then the user clicks twice.
  await page.route('**/restock', async (route) => (await route.fetch(), await route.abort()), { times: 1 });
  await add(page).click();
  await page.getByRole('alert').filter({ hasText: 'nothing is added twice' }).waitFor();
  const calls = shop.countPosts('/restock');
  await add(page).dblclick();
  await page.getByText(`${EMPTY}: 7 can be sold now.`).waitFor();
  assert.deepEqual(calls.map((call) => call.postDataJSON()), [{ quantity: 7, reason: 'delivery of Monday' }]);

  await shop.isInStock(EMPTY);
  await shop.open();
  await page.locator('#search').fill(EMPTY);
  await product.getByText('In stock').waitFor();
  await shop.openAt(await shop.send({ [EMPTY]: 7 }), 'COMPLETED');
});

visit('operations show how much work is waiting', async ({ page, shop }) => {
  await shop.open('/operations');
  const waiting = page.getByRole('region', { name: 'Waiting', exact: true });
  for (const name of ['intake', 'notice-feedback', 'tasks']) await waiting.locator(`[data-queue="${name}"]`).getByText(/\d+ waiting/).waitFor();

  await page.route('**/api/operations', (route) =>
    route.fulfill({
      json: {
        queues: [{ name: 'intake', waiting: 3, inFlight: 1, dead: 2 }],
        workflows: null,
        attention: { at: '2026-11-21T09:00:00Z', groups: [{ kind: 'STUCK_ORDERS', count: 1, items: [ITEM] }] },
      },
    }),
  );
  await page.reload();
  const intake = waiting.locator('[data-queue="intake"]');
  await intake.getByText('3 waiting, 1 in work').waitFor();
  await intake.getByText('2 given up').waitFor();
  await waiting.locator('[data-queue="tasks"]').getByText('unknown').waitFor();
  const attention = page.getByRole('region', { name: 'Needs attention' });
  await attention.getByText('Orders that are stuck').waitFor();
  assert.equal(await attention.getByRole('link').getAttribute('href'), `/orders/${ITEM.id}`);
});

visit('the reason for a review is shown', async ({ page, shop }) => {
  await shop.openAt(await shop.send({ 'PROD-001': 40 }), 'IN_REVIEW');
  await page.locator('.review').getByText('51999.60 USD within 24 h; the limit is 50000.00').waitFor();
});

visit('a customer who leaves an address receives mail', async ({ page, shop }) => {
  const address = `${shop.customer.toLowerCase()}@example.com`;
  await shop.open();
  await shop.fillIn();
  await page.getByLabel('E-mail').fill(address);
  await shop.place();
  await shop.reaches('COMPLETED');
  await page.locator('#notifications').getByText('Order confirmed').waitFor();
  const id = shop.orderId;
  const mail = await shop.mail(address);
  assert.match(JSON.stringify(mail), new RegExp(`/orders/${id}`), 'the mail links to the order');
});
