// Accessibility: both colour schemes, both languages, every width, and the keyboard alone.

import assert from 'node:assert/strict';
import { assertAccessible } from './accessibility.js';
import { overrideOrder } from './override-order.js';
import { visit } from './visit.js';

const TRACE = [
  { id: 'a', part: 'worker', name: 'OrderWorkflow', startMicros: 0, durationMicros: 200_000_000_000 },
  { id: 'b', parentID: 'a', part: 'gateway', name: 'capture', startMicros: 1_000, durationMicros: 900_000, attempt: 2, error: 'the card was declined' },
  { id: 'c', parentID: 'a', part: 'carrier', name: 'track', startMicros: 199_000_000_000, durationMicros: 500_000 },
];

// Contrast does not depend on the language, and widths do not depend on the colours. So two visits
// cover both colour schemes and both languages.
for (const [colorScheme, locale] of [
  ['light', 'en-US'],
  ['dark', 'ru-RU'],
]) {
  visit(
    `every view is accessible: ${colorScheme}, ${locale}`,
    async ({ page, shop }) => {
      const [reserved, cancelOrder] = locale === 'ru-RU' ? ['Товары отложены', 'Отменить заказ'] : ['Items reserved', 'Cancel order'];
      await shop.open();
      assert.equal(await page.locator('html').getAttribute('lang'), locale.slice(0, 2));
      await assertAccessible(page, 'the empty cart');
      await shop.fillIn('tok_down');
      await page.getByLabel(/E-mail|Эл. почта/).fill('nobody');
      await shop.placeButton.click();
      await page.locator('#email-fault:not(:empty)').waitFor();
      await assertAccessible(page, 'the form with a fault');
      await page.getByLabel(/E-mail|Эл. почта/).fill('');
      await shop.place();
      await shop.reaches('RESERVED');
      await page.locator('#order-status').getByText(reserved).waitFor();
      await assertAccessible(page, 'an open order');
      await page.getByRole('button', { name: cancelOrder }).click();
      await assertAccessible(page, 'the question before cancelling');
      await page.getByRole('dialog').getByRole('button', { name: cancelOrder }).click();
      await shop.reaches('CANCELLED');
      await page.route('**/api/orders/*/trace', (route) => route.fulfill({ json: { traceID: '1', truncated: false, spans: TRACE } }));
      await page.locator('#trace summary').click();
      await page.getByRole('treeitem').first().waitFor();
      await assertAccessible(page, 'an order that has ended, with its trace');
      await shop.open(`/orders?customerID=${shop.customer}`);
      await page.locator('[data-order]').first().waitFor();
      await assertAccessible(page, 'the orders');
      await shop.open('/operations');
      await page.locator('[data-part]').first().waitFor();
      await page.locator('[data-queue]').first().waitFor();
      await page.locator('.chart canvas').first().waitFor();
      await page.locator('.chart summary').first().click();
      await page.locator('#restock-form button').click();
      await page.locator('#restock-quantity-fault:not(:empty)').waitFor();
      await assertAccessible(page, 'operations');
      await shop.open('/nowhere');
      await assertAccessible(page, 'no view');
    },
    { colorScheme, locale },
  );
}

// Each of these views needs an order of its own: decisions, refunds, parcels, messages.
for (const [colorScheme, locale] of [
  ['light', 'ru-RU'],
  ['dark', 'en-US'],
]) {
  visit(
    `decisions and refunds are accessible: ${colorScheme}, ${locale}`,
    async ({ page, shop }) => {
      await shop.openAt(await shop.send({ [process.env.SOLD_OUT]: 1, 'PROD-004': 1 }), 'ACTION_REQUIRED');
      await assertAccessible(page, 'an order of which a part is out of stock');

      const reviewed = await shop.send({ 'PROD-001': 40 });
      await shop.openAt(reviewed, 'IN_REVIEW');
      await assertAccessible(page, 'an order in review');
      await shop.open('/operations');
      await page.locator('.review').first().waitFor();
      await assertAccessible(page, 'operations with a review');

      // An open order counts towards the customer's limit, so it is declined before the next one.
      await shop.post(`/api/orders/${reviewed}/review`, { approved: false });
      await shop.openAt(reviewed, 'FAILED');
      await shop.openAt(await shop.send({ 'PROD-001': 1 }), 'COMPLETED');
      await page.getByRole('button', { name: /^(Refund|Вернуть деньги)$/ }).click();
      await page.getByRole('radio').nth(2).check();
      await page.getByRole('button', { name: /^(Give back|Вернуть)$/ }).click();
      await page.locator('#refund-units-fault:not(:empty)').waitFor();
      await assertAccessible(page, 'a refund with a fault');

      const at = '2026-11-21T10:00:50.527Z';
      await overrideOrder(page, {
        compensating: true,
        shipments: ['IN_TRANSIT', 'LOST', 'DELIVERED'].map((status, n) => ({
          id: `${shop.orderId}-${n + 1}`,
          status,
          carrier: 'Sandbox',
          trackingNumber: '000111222333444555666777888999',
          trackingUrl: 'https://carrier.example/000111222333444555666777888999',
          reason: 'the van broke down',
          items: [{ productID: 'PROD-001', quantity: 1 }],
        })),
        refunds: ['PENDING', 'SUCCEEDED', 'FAILED'].map((status) => ({ id: status, amount: 10, status, reason: 'damaged', failureReason: null })),
        notifications: [{ type: 'ORDER_SHIPPED', channel: 'EMAIL', at }],
      });
      await page.reload();
      await page.locator('#notifications').waitFor();
      await assertAccessible(page, 'an order with parcels, refunds and messages');
    },
    { colorScheme, locale },
  );
}

visit('the language can be changed, and stays', async ({ page, shop }) => {
  await shop.open();
  await page.getByLabel('Language').selectOption('ru');
  await page.getByRole('heading', { name: 'Магазин' }).waitFor();
  assert.equal((await page.locator('.price').first().textContent()).replaceAll(/\s/g, ' '), '29,95 $');
  await page.reload();
  await page.getByRole('heading', { name: 'Магазин' }).waitFor();
  assert.equal(await page.title(), 'Магазин – OrderFlow');
});

visit('an order is placed by keyboard alone', async ({ page, shop }) => {
  await shop.open();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  assert.ok(await page.locator('main').evaluate((main) => main === document.activeElement), 'the first link skips to the content');
  await page.keyboard.press('Tab');
  await page.keyboard.type('PROD-001');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.locator('#total').getByText('$1,299.99').waitFor();
  await page.locator('#customer').focus();
  await page.keyboard.type(shop.customer);
  await page.keyboard.press('Enter');
  await shop.placed();
  await shop.reaches('COMPLETED');
  assert.ok(await page.locator('h1').evaluate((heading) => heading === document.activeElement), 'a new view begins at its heading');
});
