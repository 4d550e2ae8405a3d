// Measures the load time and the size of the page's views in Chromium, on a running local stack:
// `node bench/page/views.js [URL]`. See bench/README.md.

import { randomUUID } from 'node:crypto';
import { launch } from '../../tests/page/browser.js';

const BASE_URL = process.argv[2] ?? 'http://127.0.0.1:8080';
const VISITS = 7;

/**
 * The simulated devices. `cpu` is the slowdown of the processor, `latency` is in ms, and throughput
 * is in bytes per second. `phone` is Lighthouse's mid-range phone on "slow 4G": 1.6 Mbit/s down and
 * 750 kbit/s up.
 */
const DEVICES = {
  desk: { cpu: 1 },
  phone: { cpu: 4, network: { offline: false, latency: 150, downloadThroughput: 1_600_000 / 8, uploadThroughput: 750_000 / 8 } },
};

/** Runs in the page before the page's own scripts. Records the largest paint and the long tasks. */
function observe() {
  const seen = { largest: 0, long: [] };
  globalThis.seen = seen;
  const on = (type, note) => new PerformanceObserver((list) => list.getEntries().forEach(note)).observe({ type, buffered: true });
  on('largest-contentful-paint', (entry) => (seen.largest = entry.startTime));
  on('longtask', (entry) => seen.long.push([entry.startTime, entry.duration]));
}

/**
 * Runs in the page after its content has appeared, and returns the figures of the visit. `ready` is
 * the time when the content appeared, in ms since the start of the visit.
 */
function measured(ready) {
  const { largest, long } = globalThis.seen;
  const first = performance.getEntriesByName('first-contentful-paint')[0].startTime;
  const loaded = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
  return {
    first,
    largest,
    // The page can be used when its content is present and the last long task has ended.
    interactive: Math.max(first, ready, ...long.map(([start, duration]) => start + duration)),
    blocked: long.filter(([start]) => start > first).reduce((sum, [, duration]) => sum + duration - 50, 0),
    requests: loaded.length,
    kilobytes: loaded.reduce((sum, { transferSize }) => sum + transferSize, 0) / 1000,
  };
}

async function visit(browser, device, { path, content }) {
  const context = await browser.newContext({ locale: 'en-US' });
  const page = await context.newPage();
  await page.addInitScript(observe);
  const devtools = await context.newCDPSession(page);
  await devtools.send('Emulation.setCPUThrottlingRate', { rate: device.cpu });
  if (device.network) {
    await devtools.send('Network.enable');
    await devtools.send('Network.emulateNetworkConditions', device.network);
  }
  await page.goto(new URL(path, BASE_URL).href, { waitUntil: 'commit' });
  // Polled at each frame. The result is the time on the page's own clock.
  const ready = await (await page.waitForFunction((selector) => document.querySelector(selector) && performance.now(), content, { polling: 'raf' })).jsonValue();
  await page.waitForLoadState('networkidle');
  const figures = await page.evaluate(measured, ready);
  await context.close();
  return figures;
}

async function placeOrder(customerID) {
  const response = await fetch(new URL('/api/orders', BASE_URL), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ customerID, totalAmount: 1299.99, items: [{ productID: 'PROD-001', quantity: 1, unitPrice: 1299.99 }] }),
  });
  if (!response.ok) throw new Error(`the order was not accepted: ${response.status} ${await response.text()}`);
  const { id } = await response.json();
  for (;;) {
    const { status } = await (await fetch(new URL(`/api/orders/${id}`, BASE_URL))).json();
    if (status === 'COMPLETED') return id;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function median(values) {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)];
}

const customer = `BENCH-${randomUUID()}`;
const order = await placeOrder(customer);
const views = {
  shop: { path: '/', content: '#products li button' },
  order: { path: `/orders/${order}`, content: '#history li' },
  'my orders': { path: `/orders?customerID=${customer}`, content: '[data-order]' },
  operations: { path: '/operations', content: '[data-part]' },
};

const browser = await launch();
const rows = {};
for (const [deviceName, device] of Object.entries(DEVICES)) {
  for (const [name, view] of Object.entries(views)) {
    const visits = [];
    for (let n = 0; n < VISITS; n++) visits.push(await visit(browser, device, view));
    const figure = (key) => Math.round(median(visits.map((one) => one[key])));
    rows[`${deviceName}: ${name}`] = {
      'first paint ms': figure('first'),
      'largest paint ms': figure('largest'),
      'interactive ms': figure('interactive'),
      'blocked ms': figure('blocked'),
      requests: figure('requests'),
      kB: figure('kilobytes'),
    };
  }
}
await browser.close();
console.table(rows);
