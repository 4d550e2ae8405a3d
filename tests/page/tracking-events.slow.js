// Parcels of a carrier that sends no webhooks: staff record the tracking events. The tests need a
// stack whose carrier changes nothing by itself.

import assert from 'node:assert/strict';
import { assertAccessible } from './accessibility.js';
import { visit } from './visit.js';

const parcel = (page, status) => page.locator(`#shipments [data-status="${status}"]`);
const mark = (page, name) => page.getByRole('group', { name: 'Mark parcel 1' }).getByRole('button', { name, exact: true }).click();

visit('a parcel is recorded as in transit and as delivered', async ({ page, shop }) => {
  await shop.openAt(await shop.send({ 'PROD-001': 1 }), 'PAID');
  await parcel(page, 'BOOKED').waitFor();
  const calls = shop.countPosts('/scans');
  await page.getByRole('group', { name: 'Mark parcel 1' }).getByRole('button', { name: 'On its way' }).dblclick();
  await shop.reaches('SHIPPED');
  await parcel(page, 'IN_TRANSIT').waitFor();
  assert.deepEqual(calls.map((call) => call.postDataJSON()), [{ event: 'IN_TRANSIT' }]);
  await mark(page, 'Delivered');
  await shop.reaches('COMPLETED');
  assert.deepEqual(await shop.pastStatuses(), ['PENDING', 'RESERVED', 'PAID', 'SHIPPED', 'DELIVERED', 'COMPLETED']);
  assert.equal(await page.getByRole('group', { name: 'Mark parcel 1' }).count(), 0, 'nothing is left to say');
});

visit('a lost parcel needs a confirmation, and is refunded', async ({ page, shop }) => {
  await shop.openAt(await shop.send({ 'PROD-001': 1 }), 'PAID');
  await parcel(page, 'BOOKED').waitFor();
  await mark(page, 'Lost');
  await mark(page, 'Back');
  await mark(page, 'Lost');
  await page.getByRole('textbox', { name: 'Reason' }).fill('the van burnt down');
  await assertAccessible(page, 'a parcel about to be marked');
  await mark(page, 'Lost');
  await shop.reaches('FAILED');
  await parcel(page, 'LOST').getByText('The van burnt down.').waitFor();
  assert.match(await page.locator('#order-payment').textContent(), /refunded/);
});
