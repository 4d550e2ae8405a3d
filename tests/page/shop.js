// The actions of a customer on the page. Elements are found as a person or a screen reader finds
// them: by their visible names and roles.

import { randomUUID } from 'node:crypto';

/**
 * The maximum time for an order to reach a status. The slowest orders are those whose bank never
 * answers, because of the retries.
 */
export const ORDER_LIMIT_MS = 120_000;

/** Prices in cents. Products that exist only in the tests cost ten dollars. */
const PRICES = { 'PROD-001': 129_999, 'PROD-004': 3_995 };
const TEST_PRICE = 1_000;

export class Shop {
  constructor(page, baseUrl) {
    this.page = page;
    this.baseUrl = baseUrl;
    /** Each test has its own customer, so that its orders can be counted. */
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

  /** Places an order through the API, from product ids and quantities. Returns the order's id. */
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

  /** Posts to the API. Returns the body of the answer. */
  async post(path, body) {
    const response = await fetch(new URL(path, this.baseUrl), {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  /** The order on the page, as the API returns it. */
  async read() {
    return (await fetch(new URL(`/api/orders/${this.orderId}`, this.baseUrl))).json();
  }

  /** Opens an order and waits for a status. */
  async openAt(id, status) {
    await this.open(`/orders/${id}`);
    await this.reaches(status);
  }

  /** Collects the page's POST requests to this path from now on. */
  countPosts(path) {
    const posts = [];
    this.page.on('request', (request) => request.method() === 'POST' && request.url().endsWith(path) && posts.push(request));
    return posts;
  }

  reaches(status) {
    return this.page.locator(`#order-status[data-status="${status}"]`).waitFor({ timeout: ORDER_LIMIT_MS });
  }

  /** Cancels the order on the page. */
  async cancel(reason = '') {
    await this.cancelButton.click();
    const dialog = this.page.getByRole('dialog');
    await dialog.getByRole('textbox').fill(reason);
    await dialog.getByRole('button', { name: 'Cancel order' }).click();
  }

  /**
   * The first mail to an address, as the AWS emulator received it. The worker sends a notification
   * a moment after it records it.
   */
  mail(address) {
    return this.until(`mail for ${address}`, async () => {
      const { messages } = await (await fetch(`${process.env.EMULATOR_URL}/_ministack/ses/messages`)).json();
      return Object.values(messages).flat().find(({ To }) => To.includes(address));
    });
  }

  /**
   * Waits until the catalogue shows the product in stock. The catalogue follows the stock within a
   * second or two.
   */
  isInStock(productID) {
    return this.until(`${productID} in stock`, async () => {
      const { items } = await (await fetch(new URL('/api/products', this.baseUrl))).json();
      return items.some((item) => item.productID === productID && item.inStock);
    });
  }

  /** Calls `ask` until it returns something truthy, and returns that. */
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

  /** The customer's orders, as the API lists them. */
  async orders() {
    const response = await fetch(new URL(`/api/orders?customerID=${this.customer}`, this.baseUrl));
    return (await response.json()).items;
  }
}
