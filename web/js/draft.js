// The order that is being put together, before it is placed. Knows nothing of the page's elements.

import * as money from './money.js';

export class Draft {
  /** [{product, quantity}]; a quantity is the text that was typed, until it is sent. */
  lines = [];

  /** One more of a product. False when it costs another currency than the lines there are: an order has one. */
  add(product) {
    if (this.currency && this.currency !== product.currency) return false;
    const line = this.lines.find((line) => line.product.productID === product.productID);
    if (line) line.quantity = String((wholeNumber(line.quantity) ?? 0n) + 1n);
    else this.lines.push({ product, quantity: '1' });
    return true;
  }

  remove(line) {
    this.lines = this.lines.filter((other) => other !== line);
  }

  clear() {
    this.lines = [];
  }

  get currency() {
    return this.lines[0]?.product.currency ?? null;
  }

  /** Minor units, or null while a quantity is no whole number. */
  get total() {
    const totals = this.lines.map(lineTotal);
    return totals.includes(null) ? null : totals.reduce((sum, total) => sum + total, 0n);
  }

  /** Faults that keep the request from being written at all, as the API would name them; it checks everything else. */
  faults() {
    if (this.lines.length === 0) return [{ pointer: '/items', message: 'add at least one product' }];
    return this.lines.flatMap(({ quantity }, n) =>
      wholeNumber(quantity) === null ? [{ pointer: `/items/${n}/quantity`, message: 'must be a whole number' }] : [],
    );
  }

  /** The request body. Written by hand where a number stands, so that each amount is its exact decimal text. */
  toJson({ customerID, paymentMethod, email, phone }) {
    const items = this.lines.map(({ product, quantity }) => {
      const unitPrice = money.toDecimal(unitPriceOf(product), product.currency);
      return `{"productID":${JSON.stringify(product.productID)},"quantity":${wholeNumber(quantity)},"unitPrice":${unitPrice}}`;
    });
    const contact = { email: email || undefined, phone: phone || undefined };
    const rest = { customerID, currency: this.currency, paymentMethod, ...(email || phone ? { contact } : {}) };
    return `{"totalAmount":${money.toDecimal(this.total, this.currency)},"items":[${items}],${JSON.stringify(rest).slice(1)}`;
  }
}

/** Gives each attempt its Idempotency-Key: a repetition of the same request keeps the key, so that it makes no second order. */
export class Attempt {
  #json = null;
  #key = null;

  keyFor(json) {
    if (json !== this.#json) {
      this.#json = json;
      this.#key = randomKey();
    }
    return this.#key;
  }

  /** The order was accepted: the same request from here on is a new order. */
  done() {
    this.#json = null;
  }
}

/** Minor units, or null while the quantity is no whole number. */
export function lineTotal({ product, quantity }) {
  const count = wholeNumber(quantity);
  return count === null ? null : count * unitPriceOf(product);
}

function unitPriceOf(product) {
  return money.fromJson(product.unitPrice, product.currency);
}

function wholeNumber(text) {
  return /^\d+$/.test(text.trim()) ? BigInt(text.trim()) : null;
}

// 128 random bits. Not crypto.randomUUID, which browsers offer on https and localhost only.
function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
