// The shop: customers choose products and place each order exactly once.

import assert from 'node:assert/strict';
import { visit } from './visit.js';

visit('an order from the form becomes completed, with its history', async ({ page, shop }) => {
  await shop.open();
  await shop.fillIn();
  assert.equal(await page.locator('#total').textContent(), '$1,299.99');
  await shop.place();
  await shop.reaches('COMPLETED');
  const { history } = await shop.read();
  assert.deepEqual(await shop.pastStatuses(), history.map(({ status }) => status));
  assert.equal(await page.locator('#history .upcoming').count(), 0, 'nothing is to come, not even what this shop leaves out');
  assert.match(await page.locator('#order-payment').textContent(), /^\$1,299\.99 paid$/);
  assert.match(await page.locator('#order-items').textContent(), /Aurora Laptop.*1 × \$1,299\.99/);
  assert.equal(await shop.cancelButton.count(), 0, 'a completed order cannot be cancelled');
  assert.equal(await page.title(), `Completed: Order ${shop.orderId} – OrderFlow`);
});

visit('totals are exact, and the API agrees', async ({ page, shop }) => {
  await shop.open();
  await shop.fillIn();
  await shop.add('PROD-004');
  await page.getByLabel('Quantity of Aurora Mouse').fill('6');
  await page.getByRole('button', { name: 'One more of Aurora Mouse' }).click();
  assert.equal(await page.locator('#total').textContent(), '$1,579.64');
  await shop.place();
  await shop.reaches('COMPLETED');
  assert.equal(await page.locator('#order-total').textContent(), '$1,579.64');
});

visit('a double click makes one order', async ({ shop }) => {
  await shop.open();
  await shop.fillIn();
  await shop.placeButton.dblclick();
  await shop.placed();
  await shop.reaches('COMPLETED');
  assert.deepEqual((await shop.orders()).map((order) => order.id), [shop.orderId]);
});

visit('an order with a lost answer is retried without a second order', async ({ page, shop }) => {
  await shop.open();
  await shop.fillIn();
  await page.route('**/api/orders', async (route) => (await route.fetch(), await route.abort()), { times: 1 });
  await shop.placeButton.click();
  await page.getByRole('alert').filter({ hasText: 'will not be placed twice' }).waitFor();
  await shop.place();
  await shop.reaches('COMPLETED');
  assert.deepEqual((await shop.orders()).map((order) => order.id), [shop.orderId]);
});

visit('a reload while an order is being placed makes no second order', async ({ page, shop }) => {
  await shop.open();
  await shop.fillIn();
  let taken;
  const isTaken = new Promise((resolve) => (taken = resolve));
  // The API accepts the order, but its answer does not arrive before the reload.
  await page.route('**/api/orders', async (route) => (await route.fetch(), taken()), { times: 1 });
  await shop.placeButton.click();
  await isTaken;
  await page.reload();
  await shop.placed();
  await shop.reaches('COMPLETED');
  assert.deepEqual((await shop.orders()).map((order) => order.id), [shop.orderId]);
});

visit('cart and contact survive a reload', async ({ page, shop }) => {
  await shop.open();
  await shop.fillIn('tok_declined');
  await page.getByLabel('E-mail').fill('ada@example.com');
  await page.reload();
  await page.locator('#total').getByText('$1,299.99').waitFor();
  assert.equal(await page.getByLabel('E-mail').inputValue(), 'ada@example.com');
  assert.equal(await page.locator('#payment').inputValue(), 'tok_declined');
});

visit('each error is shown beside its field', async ({ page, shop }) => {
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

visit('a product that is sold out cannot be chosen', async ({ page, shop }) => {
  await shop.open();
  await page.locator('#search').fill(process.env.SOLD_OUT);
  const button = page.locator(`[data-product="${process.env.SOLD_OUT}"]`).getByRole('button');
  assert.ok(await button.isDisabled());
  assert.match(await button.getAttribute('aria-label'), /Sold out/);
});

visit('a search finds by name and number, and says when it finds nothing', async ({ page, shop }) => {
  await shop.open();
  await page.locator('#search').fill('aurora 004');
  assert.deepEqual(await page.locator('#products li').evaluateAll((rows) => rows.map((row) => row.dataset.product)), ['PROD-004']);
  await page.locator('#search').fill('no such thing');
  await page.getByRole('button', { name: 'Clear the search' }).click();
  await page.getByRole('button', { name: 'Show more' }).click();
  assert.ok((await page.locator('#products li').count()) > 24);
});

visit('a catalogue that does not load can be loaded again', async ({ page, shop }) => {
  await page.route('**/api/products', (route) => route.abort(), { times: 1 });
  await page.goto(shop.baseUrl);
  await page.getByRole('alert').filter({ hasText: 'catalogue cannot be loaded' }).getByRole('button', { name: 'Try again' }).click();
  await page.locator('#products li').first().waitFor();
});
