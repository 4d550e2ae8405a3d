// What a customer does on the page, in the page's own words: elements are found as a person or a screen reader finds them.

import { randomUUID } from 'node:crypto';

/** Longest wait for an order to get somewhere: the tries at a bank that never answers take the longest. */
export const ORDER_LIMIT_MS = 60_000;

/** Prices, in cents. What the stack has for the tests alone costs ten dollars. */
const PRICES = { 'PROD-001': 129_999, 'PROD-004': 3_995 };
const TEST_PRICE = 1_000;

export class Shop {
  constructor(page, baseUrl) {
    this.page = page;
    this.baseUrl = baseUrl;
    /** A customer of this test alone, so that its orders can be counted. */
    this.customer = `PAGE-${randomUUID()}`;
    this.status = page.locator('#order-status');
    this.history = page.locator('#history li:not(.upcoming)');
    this.placeButton = page.locator('#order-form button[type=submit]');
    this.cancelButton = page.getByRole('button', { name: 'Cancel order' });
  }

  async open(path = '/') {
    await this.page.goto(new URL(path, this.baseUrl).href);
    if (path === '/') await this.page.locator('#products li').first().waitFor();
  }

  async add(productID) {
    await this.page.locator('#search').fill(productID);
    await this.page.locator(`#products [data-product="${productID}"]`).getByRole('button').click();
  }

  async fillIn(paymentMethod = 'tok_visa', productID = 'PROD-001') {
    await this.add(productID);
    await this.page.locator('#customer').fill(this.customer);
    await this.page.locator('#payment').selectOption(paymentMethod);
  }

  async place() {
    await this.placeButton.click();
    await this.placed();
  }

  async placed() {
    await this.page.waitForURL(/\/orders\/ord_/);
  }

  async order(paymentMethod, productID) {
    await this.open();
    await this.fillIn(paymentMethod, productID);
    await this.place();
  }

  /** Places an order through the API: of products and quantities. Gives its id. */
  async send(quantities, paymentMethod = 'tok_visa') {
    const lines = Object.entries(quantities).map(([productID, quantity]) => ({ productID, quantity, cents: PRICES[productID] ?? TEST_PRICE }));
    const { id } = await this.post('/api/orders', {
      customerID: this.customer,
      totalAmount: lines.reduce((sum, { quantity, cents }) => sum + quantity * cents, 0) / 100,
      paymentMethod,
      items: lines.map(({ cents, ...line }) => ({ ...line, unitPrice: cents / 100 })),
    });
    return id;
  }

  /** What the API answers. */
  async post(path, body) {
    const response = await fetch(new URL(path, this.baseUrl), {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  /** The order that is shown, as the API tells it. */
  async read() {
    return (await fetch(new URL(`/api/orders/${this.orderId}`, this.baseUrl))).json();
  }

  /** Opens an order, once it has got somewhere. */
  async openAt(id, status) {
    await this.open(`/orders/${id}`);
    await this.reaches(status);
  }

  /** Counts the page's calls of this kind from here on. */
  countPosts(path) {
    const posts = [];
    this.page.on('request', (request) => request.method() === 'POST' && request.url().endsWith(path) && posts.push(request));
    return posts;
  }

  reaches(status) {
    return this.page.locator(`#order-status[data-status="${status}"]`).waitFor({ timeout: ORDER_LIMIT_MS });
  }

  /** Cancels the order that is shown. */
  async cancel(reason = '') {
    await this.cancelButton.click();
    const dialog = this.page.getByRole('dialog');
    await dialog.getByRole('textbox').fill(reason);
    await dialog.getByRole('button', { name: 'Cancel order' }).click();
  }

  /** The first mail to an address, as the AWS emulator took it; the worker sends a moment after it has noted that it will. */
  mail(address) {
    return this.until(`mail for ${address}`, async () => {
      const { messages } = await (await fetch(`${process.env.EMULATOR_URL}/_ministack/ses/messages`)).json();
      return Object.values(messages).flat().find(({ To }) => To.includes(address));
    });
  }

  /** Waits until the catalogue has it, which follows the stock within a second or two. */
  isInStock(productID) {
    return this.until(`${productID} in stock`, async () => {
      const { items } = await (await fetch(new URL('/api/products', this.baseUrl))).json();
      return items.some((item) => item.productID === productID && item.inStock);
    });
  }

  /** What `ask` finds, which it may take a while to. */
  async until(what, ask) {
    for (const deadline = Date.now() + ORDER_LIMIT_MS; Date.now() < deadline; await this.page.waitForTimeout(200)) {
      const found = await ask();
      if (found) return found;
    }
    throw new Error(`no ${what}`);
  }

  get orderId() {
    return new URL(this.page.url()).pathname.split('/').at(-1);
  }

  pastStatuses() {
    return this.history.evaluateAll((rows) => rows.map((row) => row.dataset.status));
  }

  /** The customer's orders as the API lists them. */
  async orders() {
    const response = await fetch(new URL(`/api/orders?customerID=${this.customer}`, this.baseUrl));
    return (await response.json()).items;
  }
}
