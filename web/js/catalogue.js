// The catalogue: loading it, searching it, and the list to add products from.

import * as api from './api.js';
import { byId, fromTemplate } from './dom.js';
import * as money from './money.js';

export class Catalogue {
  #products = [];

  async load() {
    const products = await api.products();
    this.#products = products.sort((a, b) => a.name.localeCompare(b.name));
  }

  get size() {
    return this.#products.length;
  }

  /** A product's name, or its id while the catalogue is not known. */
  nameOf(productID) {
    return this.#products.find((product) => product.productID === productID)?.name ?? productID;
  }

  /** The products whose name and number together hold every word of the text. */
  matching(text) {
    const words = text.toLowerCase().split(/\s+/);
    return this.#products.filter(({ name, productID }) => {
      const searched = `${name} ${productID}`.toLowerCase();
      return words.every((word) => searched.includes(word));
    });
  }
}

export class CatalogueView {
  #catalogue;
  #onAdd;
  #away = byId('catalogue-away');

  /** `onAdd` is called with each product that is chosen. */
  constructor(catalogue, onAdd) {
    this.#catalogue = catalogue;
    this.#onAdd = onAdd;
    byId('search').addEventListener('input', () => this.#render());
    this.#away.querySelector('button').addEventListener('click', () => this.load());
  }

  async load() {
    try {
      await this.#catalogue.load();
      this.#away.hidden = true;
      this.#render();
    } catch (error) {
      if (!(error instanceof api.Unreachable || error instanceof api.Problem)) throw error;
      this.#away.querySelector('p').textContent = 'The catalogue cannot be loaded: OrderFlow is not answering at the moment.';
      this.#away.hidden = false;
      if (this.#catalogue.size === 0) byId('catalogue-count').textContent = '';
    }
  }

  #render() {
    const found = this.#catalogue.matching(byId('search').value);
    byId('catalogue-count').textContent = `${found.length} of ${this.#catalogue.size} products`;
    byId('products').replaceChildren(...found.map((product) => this.#row(product)));
  }

  #row(product) {
    const row = fromTemplate('product-row');
    row.dataset.product = product.productID;
    row.querySelector('.name').textContent = product.name;
    row.querySelector('.number').textContent = product.productID;
    row.querySelector('.price').textContent = money.formatJson(product.unitPrice, product.currency);
    const add = row.querySelector('button');
    add.setAttribute('aria-label', `Add ${product.name}`);
    add.addEventListener('click', () => this.#onAdd(product));
    if (!product.inStock) {
      add.disabled = true;
      add.textContent = 'Sold out';
    }
    return row;
  }
}
