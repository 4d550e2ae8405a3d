// The parcels that a customer sees on the page of an order.

import assert from 'node:assert/strict';
import { visit } from './visit.js';

visit('a delivered order shows its parcel with the tracking number', async ({ page, shop }) => {
  await shop.order();
  await shop.reaches('COMPLETED');
  assert.deepEqual(await shop.pastStatuses(), ['PENDING', 'RESERVED', 'PAID', 'SHIPPED', 'DELIVERED', 'COMPLETED']);
  const parcel = page.locator('#shipments [data-status="DELIVERED"]');
  await parcel.getByText('Parcel 1').waitFor();
  assert.match(await parcel.textContent(), /1 × Aurora Laptop/);
  const { shipments } = await shop.read();
  const link = parcel.getByRole('link', { name: shipments[0].trackingNumber });
  assert.equal(await link.getAttribute('href'), shipments[0].trackingUrl);
});
