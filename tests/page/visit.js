// Defines the page tests. Each test gets a page in a fresh browser context. The page must run
// without script errors and within its content security policy.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch } from './browser.js';
import { Shop } from './shop.js';

const BASE_URL = process.env.BASE_URL ?? 'http://127.0.0.1:8080';

/** The maximum time of an action on the page, even on a busy machine. */
const LIMIT_MS = 90_000;

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/**
 * Defines a test on a page: `scenario({ page, shop, context })`. `options` are those of a browser
 * context.
 */
export function visit(name, scenario, { baseUrl = BASE_URL, ...options } = {}) {
  test(name, async () => {
    const context = await browser.newContext({ locale: 'en-US', ...options });
    context.setDefaultTimeout(LIMIT_MS);
    const page = await context.newPage();
    const errors = [];
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('console', (message) => {
      // The sign-in page belongs to the issuer; its policy is not checked.
      if (/Content Security Policy/.test(message.text()) && page.url().startsWith(baseUrl)) errors.push(message.text());
    });
    try {
      await scenario({ page, context, shop: new Shop(page, baseUrl) });
    } catch (error) {
      error.message += `\nat ${page.url()}, which showed:\n${await page.locator('body').innerText({ timeout: 1_000 }).catch(() => 'nothing')}`;
      throw error;
    } finally {
      // Requests that are still in flight need no answer.
      await page.unrouteAll({ behavior: 'ignoreErrors' });
      await context.close();
    }
    assert.deepEqual(errors, []);
  });
}
