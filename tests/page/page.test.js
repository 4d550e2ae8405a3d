// The page in a real browser, against the running stack at BASE_URL.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { launch } from './browser.js';
import { Shop } from './shop.js';

const BASE_URL = process.env.BASE_URL ?? 'http://127.0.0.1:8080';

let browser;
let context;
let page;
let shop;
let complaints;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

beforeEach(async () => {
  context = await browser.newContext({ locale: 'en-US' });
  page = await context.newPage();
  complaints = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (/Content Security Policy/.test(message.text())) complaints.push(message.text());
  });
  shop = new Shop(page, BASE_URL);
});

afterEach(async () => {
  await context.close();
  assert.deepEqual(complaints, [], 'the page runs without script errors and within its content security policy');
});

test('an order from the form becomes completed, with its history', async () => {
  await shop.open();
  await shop.fillIn();
  assert.equal(await page.locator('#total').textContent(), '$1,299.99');
  await shop.place();
  await shop.reaches('COMPLETED');
  assert.deepEqual(await shop.pastStatuses(), ['PENDING', 'RESERVED', 'PAID', 'COMPLETED']);
  assert.match(await page.locator('#order-payment').textContent(), /^\$1,299\.99 paid$/);
  assert.match(await page.locator('#order-items').textContent(), /1 × \$1,299\.99/);
  assert.equal(await shop.cancelButton.count(), 0, 'a completed order cannot be cancelled');
});

test('totals are exact, and the API agrees', async () => {
  await shop.open();
  await shop.fillIn();
  await shop.add('PROD-004');
  await page.getByLabel('Quantity').nth(1).fill('7');
  assert.equal(await page.locator('#total').textContent(), '$1,579.64');
  await shop.place();
  await shop.reaches('COMPLETED');
  assert.equal(await page.locator('#order-total').textContent(), '$1,579.64');
});

test('a declined card is told with its reason', async () => {
  await shop.open();
  await shop.fillIn('tok_declined');
  await shop.place();
  await shop.reaches('FAILED');
  const [order] = await shop.orders();
  assert.match(order.failureReason, /declined/i);
  const shown = await shop.status.textContent();
  assert.ok(shown.toLowerCase().includes(order.failureReason.toLowerCase()), `"${shown}" gives the reason`);
});

test('a double click makes one order', async () => {
  await shop.open();
  await shop.fillIn();
  await shop.placeButton.dblclick();
  await page.waitForURL(/\?order=/);
  await shop.reaches('COMPLETED');
  assert.deepEqual((await shop.orders()).map((order) => order.id), [shop.orderId]);
});

test('an order whose answer is lost is tried again without a second order', async () => {
  await shop.open();
  await shop.fillIn();
  await page.route('**/api/orders', async (route) => {
    await route.fetch();
    await route.abort();
  }, { times: 1 });
  await shop.placeButton.click();
  await page.getByRole('alert').filter({ hasText: 'will not be placed twice' }).waitFor();
  await shop.place();
  await shop.reaches('COMPLETED');
  assert.deepEqual((await shop.orders()).map((order) => order.id), [shop.orderId]);
});

test('a reload goes on following the order, and cancelling ends it', async () => {
  await shop.open();
  await shop.fillIn('tok_down');
  await shop.place();
  const id = shop.orderId;
  await shop.reaches('RESERVED');
  await page.reload();
  await shop.reaches('RESERVED');
  assert.equal(shop.orderId, id);
  await shop.cancelButton.click();
  await shop.reaches('CANCELLED');
  assert.equal((await shop.pastStatuses()).at(-1), 'CANCELLED');
  await shop.cancelButton.waitFor({ state: 'hidden' });
});

test('each fault is shown beside its field', async () => {
  await shop.open();
  await shop.placeButton.click();
  await page.locator('#items-fault').getByText('Add at least one product.').waitFor();

  await shop.add('PROD-001');
  await page.getByLabel('Quantity').fill('0');
  await page.getByLabel('E-mail').fill('nobody');
  await page.getByLabel('Phone').fill('12');
  await shop.placeButton.click();
  for (const id of ['line-0-fault', 'customer-fault', 'email-fault', 'phone-fault']) {
    await page.locator(`#${id}:not(:empty)`).waitFor();
    assert.equal(await page.locator(`[aria-describedby~="${id}"]`).getAttribute('aria-invalid'), 'true', id);
  }
  assert.equal(await page.locator('[aria-invalid]').count(), 4);
  assert.ok(await page.getByLabel('Quantity').evaluate((field) => field === document.activeElement), 'the first faulty field has the focus');
  assert.deepEqual(await shop.orders(), []);

  await page.getByLabel('E-mail').fill('nobody@example.com');
  assert.equal(await page.locator('#email-fault').textContent(), '', 'a field that changes loses its fault');
});

test('while the API is away the page says so, and goes on by itself', async () => {
  await shop.open();
  await shop.fillIn('tok_down');
  await shop.place();
  await shop.reaches('RESERVED');
  await page.route('**/api/orders/*', (route) => route.abort());
  const away = page.getByRole('alert').filter({ hasText: 'not answering' });
  await away.waitFor();
  await page.unroute('**/api/orders/*');
  await away.waitFor({ state: 'hidden' });
  await shop.cancelButton.click();
  await shop.reaches('CANCELLED');
});

test('a catalogue that does not load can be asked for again', async () => {
  await page.route('**/api/products', (route) => route.abort(), { times: 1 });
  await page.goto(BASE_URL);
  await page.getByRole('alert').filter({ hasText: 'catalogue cannot be loaded' }).getByRole('button', { name: 'Try again' }).click();
  await page.locator('#products li').first().waitFor();
});

test('a link to no order says so', async () => {
  await page.goto(new URL('/?order=ord_0000', BASE_URL).href);
  await shop.status.getByText('There is no such order').waitFor();
});

test('nothing is wider than a screen of 320 px', async () => {
  await page.setViewportSize({ width: 320, height: 640 });
  await shop.open();
  await shop.fillIn();
  const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.equal(await overflow(), 0, 'the form');
  await shop.place();
  await shop.reaches('COMPLETED');
  assert.equal(await overflow(), 0, 'the order');
});
