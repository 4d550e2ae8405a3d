// The order form: the lines, the fields, and placing the order once.

import * as api from './api.js';
import { announce, byId, fromTemplate, sentence, setBusy } from './dom.js';
import { Attempt, Draft, lineTotal } from './draft.js';
import { clearFault, showFaults } from './faults.js';
import * as money from './money.js';

const NOT_REACHED =
  'OrderFlow could not be reached, so it is not certain that your order arrived. Try again: it will not be placed twice.';

export class OrderForm {
  #form = byId('order-form');
  #submit = this.#form.querySelector('[type=submit]');
  #draft = new Draft();
  #attempt = new Attempt();
  #onPlaced;

  /** `onPlaced` is called with the API's answer when the order is accepted. */
  constructor(onPlaced) {
    this.#onPlaced = onPlaced;
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#place();
    });
    this.#form.addEventListener('input', ({ target }) => {
      const place = target.closest('[data-pointer]');
      if (place) clearFault(place);
    });
  }

  add(product) {
    if (!this.#draft.add(product)) {
      this.#show([{ pointer: '/items', message: `an order has one currency; this one is in ${this.#draft.currency}` }]);
      return;
    }
    this.#renderLines();
  }

  async #place() {
    if (this.#submit.getAttribute('aria-disabled')) return;
    const faults = this.#draft.faults();
    if (faults.length > 0) {
      this.#show(faults);
      return;
    }
    setBusy(this.#submit, true);
    this.#submit.textContent = 'Placing your order…';
    try {
      const json = this.#draft.toJson(this.#fields());
      const accepted = await api.placeOrder(json, this.#attempt.keyFor(json));
      this.#attempt.done();
      this.#draft.clear();
      this.#renderLines();
      this.#show([]);
      this.#submit.textContent = 'Place order';
      this.#onPlaced(accepted);
    } catch (error) {
      this.#refused(error);
    } finally {
      setBusy(this.#submit, false);
    }
  }

  #fields() {
    const { customerID, paymentMethod, email, phone } = Object.fromEntries(new FormData(this.#form));
    return { customerID: customerID.trim(), paymentMethod, email: email.trim(), phone: phone.trim() };
  }

  #refused(error) {
    const isAway = error instanceof api.Unreachable || error.isTemporary;
    this.#submit.textContent = isAway ? 'Try again' : 'Place order';
    if (error instanceof api.Unreachable) this.#show([], NOT_REACHED);
    else if (error instanceof api.Problem) this.#show(error.faults, error.faults.length > 0 ? null : sentence(error.message));
    else throw error;
  }

  /** Faults go to their fields; what has no field, and the message, to the end of the form. */
  #show(faults, message = null) {
    const homeless = showFaults(this.#form, faults).map((fault) => sentence(`${fault.pointer} ${fault.message}`.trim()));
    announce(byId('form-message'), [message, ...homeless].filter(Boolean).join(' '));
  }

  #renderLines() {
    const rows = this.#draft.lines.map((line, n) => this.#row(line, n));
    byId('lines').replaceChildren(...rows);
    byId('no-lines').hidden = rows.length > 0;
    clearFault(byId('lines').parentElement);
    this.#renderTotal();
  }

  #renderTotal() {
    const { currency, total } = this.#draft;
    byId('total').textContent = currency && total !== null ? money.format(total, currency) : '–';
    clearFault(byId('total').closest('[data-pointer]'));
  }

  #row(line, n) {
    const row = fromTemplate('line-row');
    const { name, currency } = line.product;
    row.dataset.pointer = `/items/${n}`;
    row.querySelector('.name').textContent = name;

    const fault = row.querySelector('.fault');
    fault.id = `line-${n}-fault`;
    const quantity = row.querySelector('input');
    quantity.value = line.quantity;
    quantity.setAttribute('aria-label', `Quantity of ${name}`);
    quantity.setAttribute('aria-describedby', fault.id);

    const price = row.querySelector('.price');
    const showPrice = () => {
      const total = lineTotal(line);
      price.textContent = total === null ? '–' : money.format(total, currency);
    };
    quantity.addEventListener('input', () => {
      line.quantity = quantity.value;
      showPrice();
      this.#renderTotal();
    });
    showPrice();

    const remove = row.querySelector('button');
    remove.setAttribute('aria-label', `Remove ${name}`);
    remove.addEventListener('click', () => {
      this.#draft.remove(line);
      this.#renderLines();
      (byId('lines').querySelector('button') ?? byId('search')).focus();
    });
    return row;
  }
}
