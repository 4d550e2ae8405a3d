// The trace of an order, for staff: a tree of steps that can be read by keyboard.

import assert from 'node:assert/strict';
import { visit } from './visit.js';

const SECOND = 1_000_000;
const DAY = 86_400 * SECOND;
const span = (id, parentID, part, name, startMicros, durationMicros, more = {}) => ({ id, ...(parentID && { parentID }), part, name, startMicros, durationMicros, ...more });
const SPANS = [
  span('a', null, 'page', 'POST /api/orders', 0, 60_000),
  span('b', 'a', 'api', 'create order', 5_000, 50_000),
  span('c', 'b', 'temporal', 'start workflow', 10_000, 30_000),
  span('d', 'a', 'worker', 'OrderWorkflow', 45_000, 2 * DAY),
  span('e', 'd', 'worker', 'ProcessPayment', 50_000, 900_000, { attempt: 1, error: 'the gateway did not answer' }),
  span('f', 'd', 'worker', 'ProcessPayment', 2 * SECOND, 400_000, { attempt: 2 }),
  span('g', 'f', 'gateway', 'capture', 2 * SECOND + 50_000, 300_000),
  span('h', 'd', 'carrier', 'track parcel', 2 * DAY, 40_000),
];

async function openWith(page, shop, answer) {
  await page.route('**/api/orders/*/trace', (route) => route.fulfill(answer));
  await shop.openAt(await shop.send({ 'PROD-001': 1 }), 'COMPLETED');
  await page.getByText('Show how this order was processed').click();
}

visit('a trace is a tree that is read by keyboard', async ({ page, shop }) => {
  await openWith(page, shop, { json: { traceID: '1', sampled: true, spans: SPANS, truncated: true } });
  const tree = page.getByRole('tree', { name: 'Trace' });
  const steps = tree.getByRole('treeitem');
  await steps.first().waitFor();
  assert.equal(await steps.count(), SPANS.length);
  await page.getByText('Only its first part is shown').waitFor();
  await page.getByText('8 steps in 2 days').waitFor();
  await steps.filter({ hasText: 'the gateway did not answer' }).waitFor();
  await page.locator('.ruler .label').getByText('2 days').waitFor();

  const focused = () => page.evaluate(() => document.activeElement.dataset.span);
  await steps.first().focus();
  await page.keyboard.press('ArrowDown');
  assert.equal(await focused(), 'b');
  await page.keyboard.press('ArrowLeft');
  assert.equal(await steps.nth(1).getAttribute('aria-expanded'), 'false');
  assert.equal(await steps.count(), SPANS.length - 1);
  await page.keyboard.press('ArrowLeft');
  assert.equal(await focused(), 'a', 'from a closed step, to the step around it');
  await page.keyboard.press('End');
  assert.equal(await focused(), 'h');
  await page.keyboard.press('*');
  assert.equal(await steps.count(), SPANS.length);
  const spoken = /Worker.*ProcessPayment.*attempt 1.*900 ms.*after 50 ms.*error: .*the gateway did not answer/;
  await page.getByRole('treeitem', { name: spoken }).waitFor();
  // A step of 0.9 s is visible beside two days.
  const width = await steps.nth(4).locator('.bar').evaluate((bar) => bar.offsetWidth / bar.parentElement.offsetWidth);
  assert.ok(width > 0.3, String(width));
});

visit('an order without a trace says so quietly', async ({ page, shop }) => {
  await openWith(page, shop, { status: 404, contentType: 'application/problem+json', json: { type: '/problems/trace-not-found', status: 404 } });
  await page.getByText('This order has no trace.').waitFor();
  assert.equal(await page.getByRole('alert').count(), 0);
});

visit('a trace that is kept elsewhere has a link', async ({ page, shop }) => {
  const traceID = '4bf92f3577b34da6a3ce929d0e0e4736';
  await page.route('**/config.json', async (route) => {
    const config = await (await route.fetch()).json();
    await route.fulfill({ json: { ...config, links: { trace: 'https://tool.test/#xray:traces/{xrayTraceID}' } } });
  });
  await openWith(page, shop, { json: { traceID, sampled: false, spans: [], truncated: false } });
  await page.getByText(`The id of the trace is ${traceID}.`).waitFor();
  await page.getByText('only the steps that failed').waitFor();
  const link = page.getByRole('link', { name: 'In the tracing tool' });
  assert.equal(await link.getAttribute('href'), 'https://tool.test/#xray:traces/1-4bf92f35-77b34da6a3ce929d0e0e4736');
});

visit('a trace that cannot be loaded can be tried again', async ({ page, shop }) => {
  await openWith(page, shop, { status: 503, json: {} });
  await page.getByText('The trace cannot be loaded').waitFor();
  await page.unroute('**/api/orders/*/trace');
  await page.route('**/api/orders/*/trace', (route) => route.fulfill({ json: { traceID: '1', sampled: true, spans: SPANS, truncated: false } }));
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('tree').waitFor();
});

visit('a trace of 500 steps opens and scrolls without delay', async ({ page, shop }) => {
  const spans = Array.from({ length: 500 }, (_, n) => span(`${n}`, n === 0 ? null : `${Math.floor((n - 1) / 4)}`, 'postgres', `statement ${n}`, n * 1000, 900));
  await openWith(page, shop, { json: { traceID: '1', sampled: true, spans, truncated: false } });
  const steps = page.getByRole('treeitem');
  await steps.first().waitFor();
  assert.ok((await steps.count()) < 100, 'a long trace is closed at first');
  const took = await page.evaluate(async () => {
    const begun = performance.now();
    [...document.querySelectorAll('.waterfall button')].at(0).click();
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    return performance.now() - begun;
  });
  assert.equal(await steps.count(), 500);
  // It takes far less on a quiet machine.
  assert.ok(took < 2_000, `${took} ms`);
});

visit('with tracing, calls begin traces', async ({ page, shop }) => {
  await page.route('**/config.json', async (route) => route.fulfill({ json: { ...(await (await route.fetch()).json()), traces: true } }));
  const called = page.waitForRequest('**/api/products');
  await shop.open();
  assert.match((await called).headers().traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
});
