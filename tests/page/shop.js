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
    this.placeButton = page.getByRole('button', { name: /^(Place order|Placing your order…|Try again)$/ });
    this.cancelButton = page.getByRole('button', { name: 'Cancel order' });
  }

  async open() {
    await this.page.goto(this.baseUrl);
    await this.page.locator('#products li').first().waitFor();
  }

  async add(productID) {
    await this.page.getByLabel('Search by name or number').fill(productID);
    await this.page.locator(`#products [data-product="${productID}"]`).getByRole('button').click();
  }

  async fillIn(paymentMethod = 'tok_visa') {
    await this.add('PROD-001');
    await this.page.getByLabel('Customer ID').fill(this.customer);
    await this.page.getByLabel('Payment').selectOption(paymentMethod);
  }

  async place() {
    await this.placeButton.click();
    await this.page.waitForURL(/\?order=/);
  }

  reaches(status) {
    return this.page.locator(`#order-status[data-status="${status}"]`).waitFor({ timeout: ORDER_LIMIT_MS });
  }

  get orderId() {
    return new URL(this.page.url()).searchParams.get('order');
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
