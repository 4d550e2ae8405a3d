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
  assert.equal(await attention.getByRole('link', { name: ITEM.id, exact: true }).getAttribute('href'), `/orders/${ITEM.id}`);
  assert.match(await attention.getByRole('link', { name: /^In the Temporal UI/ }).getAttribute('href'), new RegExp(`/workflows/${ITEM.id}$`));
});

/** The answer for a period of which a part is missing in the middle. */
function historyOf(period, bucketSeconds, count, missing) {
  const from = Date.parse('2026-11-21T08:00:00Z');
  const at = (n) => new Date(from + n * bucketSeconds * 1000).toISOString();
  const waiting = { tasks: 3, tasksSeconds: 1, projectionSeconds: 0, eventsSeconds: 0, noticesSeconds: 2 };
  const revenue = [{ currency: 'USD', captured: 10.5, refunded: 0.25 }];
  const duration = { p50Ms: 42, p99Ms: 1850 };
  const bucket = (n) => ({ at: at(n), accepted: n, completed: 2, failed: 1, cancelled: 0, payment: duration, completion: duration, revenue, waiting });
  const buckets = Array.from({ length: count }, (_, n) => n).filter((n) => !missing.includes(n)).map(bucket);
  return { period, bucketSeconds, from: at(0), until: at(count), buckets };
}

visit('charts show how operations went, and their values can be read by keyboard', async ({ page, shop }) => {
  const asked = [];
  await page.route('**/api/operations/history?*', (route) => {
    const period = new URL(route.request().url()).searchParams.get('period');
    asked.push(period);
    return route.fulfill({ json: period === 'hour' ? historyOf(period, 60, 60, [30, 31]) : historyOf(period, 900, 96, [94, 95]) });
  });
  await shop.open('/operations');
  const charts = page.getByRole('region', { name: 'How it went' });
  await charts.locator('canvas').nth(6).waitFor();
  assert.equal(await charts.locator('canvas').count(), 7);
  await charts.getByText('No data for 2 min of this period').waitFor();
  const outcomes = charts.getByRole('region', { name: 'How orders ended' });
  await outcomes.getByText('Completed: 116, Failed: 58, Cancelled: 0').waitFor();
  await charts.getByText('Captured: $609.00, Refunded: $14.50').waitFor();

  const values = charts.getByRole('slider', { name: 'Orders: values over time' });
  const read = () => values.getAttribute('aria-valuetext');
  await values.focus();
  await page.keyboard.press('ArrowLeft');
  assert.match(await read(), /8:59:00.*: Accepted 59$/, 'the first key reads the last value');
  await page.keyboard.press('ArrowLeft');
  assert.match(await read(), /8:58:00.*: Accepted 58$/);
  await page.keyboard.press('Home');
  assert.match(await read(), /8:00:00.*: Accepted 0$/);
  for (let n = 0; n < 3; n++) await page.keyboard.press('PageUp');
  assert.match(await read(), /8:30:00.*: Accepted unknown$/, 'a gap is not zero');

  await outcomes.getByText('As a table').click();
  const rows = outcomes.getByRole('row');
  assert.equal(await rows.count(), 59, 'the head, and each minute that was counted');
  assert.match(await rows.nth(1).innerText(), /8:59/);

  await charts.getByRole('button', { name: 'Last day' }).click();
  await charts.getByText('No data since').waitFor();
  assert.deepEqual([...new Set(asked)], ['hour', 'day']);
}, { timezoneId: 'UTC' });

/** A worker counts a minute after its end, and the page asks every half a minute. */
const COUNTED_WITHIN_MS = 240_000;

visit('the workers count what the charts show', async ({ page, shop }) => {
  await shop.openAt(await shop.send({ 'PROD-001': 1 }), 'COMPLETED');
  await shop.open('/operations');
  await page.getByRole('region', { name: 'How it went' }).getByText(/^Accepted: [1-9]/).waitFor({ timeout: COUNTED_WITHIN_MS });
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
