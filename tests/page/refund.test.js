// Staff refund money: an amount, units, or all that is left.

import assert from 'node:assert/strict';
import { visit } from './visit.js';

async function open(page) {
  await page.getByRole('button', { name: 'Refund', exact: true }).click();
  return page.getByRole('dialog');
}

const give = (dialog) => dialog.getByRole('button', { name: 'Give back' }).click();
const refund = (page, status) => page.locator(`#refunds [data-status="${status}"]`);

visit('an amount is refunded once, although an answer is lost', async ({ page, shop }) => {
  await shop.openAt(await shop.send({ 'PROD-001': 1 }), 'COMPLETED');
  const dialog = await open(page);
  await dialog.getByLabel('An amount').check();
  const sum = dialog.getByLabel('Amount in USD');
  for (const [amount, fault] of [['ten', 'Must be an amount'], ['1300', 'At most 1299.99.']]) {
    await sum.fill(amount);
    await give(dialog);
    await dialog.locator('#refund-sum-fault').getByText(fault).waitFor();
    assert.equal(await sum.getAttribute('aria-invalid'), 'true');
    assert.ok(await sum.evaluate((field) => field === document.activeElement), 'the faulty field has the focus');
  }
  await sum.fill('0');
  await give(dialog);
  await dialog.locator('#refund-sum-fault').getByText('Must be more than nothing.').waitFor();

  await sum.fill('12,5');
  await dialog.getByLabel('Reason').fill('a scratch');
  await page.route('**/refunds', async (route) => (await route.fetch(), await route.abort()), { times: 1 });
  await give(dialog);
  await dialog.getByRole('alert').filter({ hasText: 'nothing is given back twice' }).waitFor();
  await give(dialog);
  await refund(page, 'SUCCEEDED').filter({ hasText: '$12.50' }).filter({ hasText: 'A scratch.' }).waitFor();
  assert.equal(await page.locator('#refunds li').count(), 1);
  assert.match(await page.locator('#order-payment').textContent(), /\$12\.50 of it refunded/);
});

visit('units are refunded, then the rest, then nothing', async ({ page, shop }) => {
  await shop.openAt(await shop.send({ 'PROD-001': 2, 'PROD-004': 1 }), 'COMPLETED');
  let dialog = await open(page);
  await dialog.getByLabel('Units, at the prices of the order').check();
  await give(dialog);
  await dialog.getByText('Choose at least one unit.').waitFor();
  await dialog.getByLabel('Aurora Laptop').fill('3');
  await give(dialog);
  await dialog.getByText('At most 2.').waitFor();
  await dialog.getByLabel('Aurora Laptop').fill('1');
  await dialog.getByLabel('The units are back').check();
  await give(dialog);
  await refund(page, 'SUCCEEDED').filter({ hasText: '$1,299.99' }).waitFor();

  dialog = await open(page);
  await dialog.getByLabel('All that is left: $1,339.94').waitFor();
  await give(dialog);
  await refund(page, 'SUCCEEDED').nth(1).waitFor();
  assert.match(await page.locator('#order-payment').textContent(), /refunded/);
  await page.getByRole('button', { name: 'Refund', exact: true }).waitFor({ state: 'hidden' });
});
