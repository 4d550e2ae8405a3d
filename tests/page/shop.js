// What a customer does on the page, in the page's own words: elements are found as a person or a screen reader finds them.

import { randomUUID } from 'node:crypto';

/** Longest wait for an order to get somewhere: the tries at a bank that never answers take the longest. */
export const ORDER_LIMIT_MS = 60_000;

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
