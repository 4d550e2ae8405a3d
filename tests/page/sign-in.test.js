// Signing in with a real issuer, on an API that requires the issuer's tokens.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { start } from './issuer.js';
import { visit } from './visit.js';

const { SIGN_IN_URL: baseUrl, ISSUER_PORT } = process.env;

let issuer;
before(async () => {
  issuer = await start(Number(ISSUER_PORT), baseUrl);
});
after(() => {
  issuer.close();
  issuer.closeAllConnections();
});

/** Signs in on the issuer's pages, as a person does. */
async function signIn(page, name) {
  await page.getByRole('banner').getByRole('button', { name: 'Sign in' }).click();
  await page.locator('[name=login]').fill(name);
  await page.locator('[name=password]').fill('anything');
  await page.locator('button[type=submit]').click();
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByRole('banner').getByText(name).waitFor();
}

visit(
  'a customer signs in, orders, and is still signed in after a reload',
  async ({ page, shop }) => {
    await shop.open();
    await shop.add('PROD-001');
    assert.equal(await shop.placeButton.count(), 0, 'nobody orders without signing in');
    await signIn(page, 'ada');
    assert.equal(new URL(page.url()).search, '', 'nothing of the sign-in stays in the address');
    await page.locator('#total').getByText('$1,299.99').waitFor();
    assert.equal(await page.locator('#customer').count(), 0, 'the issuer says who it is');
    await shop.place();
    await shop.reaches('COMPLETED');
    const id = shop.orderId;
    assert.equal(await page.locator('#order-customer').textContent(), 'ada');
    assert.equal(await page.getByRole('link', { name: 'Operations' }).count(), 0);

    await page.reload();
    await shop.reaches('COMPLETED');
    assert.equal(shop.orderId, id, 'the reload leads back to the order');
    await page.getByRole('link', { name: 'My orders' }).click();
    await page.locator(`[data-order="${id}"]`).waitFor();

    const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
    assert.doesNotMatch(stored, /eyJ/, 'no token is kept');
  },
  { baseUrl },
);

visit(
  'staff see the orders of all customers',
  async ({ page, shop }) => {
    await shop.open();
    await signIn(page, 'sue');
    await page.getByRole('banner').getByText('Staff').waitFor();
    await page.getByRole('link', { name: 'Operations' }).click();
    await page.getByRole('region', { name: 'All orders' }).getByRole('button', { name: 'Completed' }).click();
    await page.locator('[data-order]').filter({ hasText: 'ada' }).first().waitFor();
    assert.equal(await page.locator('#restock-form').count(), 0, 'stock is for admins');
  },
  { baseUrl },
);

visit(
  'admins can restock products',
  async ({ page, shop }) => {
    await shop.open();
    await signIn(page, 'eve');
    await page.getByRole('link', { name: 'Operations' }).click();
    await page.locator('#restock-form').waitFor();
  },
  { baseUrl },
);

visit(
  'a visitor is asked to sign in, and is signed out after signing out',
  async ({ page, shop }) => {
    for (const path of ['/orders', '/operations']) {
      await shop.open(path);
      await page.getByRole('main').getByRole('button', { name: 'Sign in' }).waitFor();
    }
    await signIn(page, 'bob');
    await page.getByText('Only staff can see this.').waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('button', { name: /Yes, sign me out/ }).click();
    await page.getByRole('banner').getByRole('button', { name: 'Sign in' }).waitFor();
    await page.reload();
    await page.getByRole('banner').getByRole('button', { name: 'Sign in' }).waitFor();
  },
  { baseUrl },
);
