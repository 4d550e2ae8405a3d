// One order on the page: where it stands, how it got there, what is in it, and cancelling it.

import * as api from './api.js';
import { announce, byId, fromTemplate, sentence, setBusy } from './dom.js';
import { Follower, isFinal } from './follow.js';
import * as money from './money.js';

/** What each status is called, and what it means to the customer. A status that is not here is shown under its own name. */
const STATUSES = {
  PENDING: ['Received', 'Your order is being checked.'],
  RESERVED: ['Items reserved', 'The payment is under way.'],
  PAID: ['Paid', 'Your order is being finished.'],
  COMPLETED: ['Completed', 'Thank you for your order.'],
  FAILED: ['Failed', 'Your order could not be completed.'],
  CANCELLED: ['Cancelled', 'Nothing is sent or charged.'],
};
const HAPPY_PATH = ['PENDING', 'RESERVED', 'PAID', 'COMPLETED'];

const PAYMENTS = { CAPTURED: 'paid', DECLINED: 'declined', REFUNDED: 'refunded', VOIDED: 'released' };

const TIMES = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

const label = (status) => STATUSES[status]?.[0] ?? sentence(status.toLowerCase().replaceAll('_', ' ')).slice(0, -1);

export class OrderView {
  #catalogue;
  #id;
  #order = null;
  #isCancelling = false;
  #follower = null;
  #away = byId('order-away');
  #cancel = byId('cancel');

  constructor(catalogue) {
    this.#catalogue = catalogue;
    this.#cancel.addEventListener('click', () => this.#askToCancel());
    this.#away.querySelector('button').addEventListener('click', () => this.#follower?.now());
    window.addEventListener('online', () => this.#follower?.now());
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) this.#follower?.now();
    });
  }

  /** Follows this order until it ends. `accepted`: the API's answer to the order, when it was placed just now. */
  show(id, accepted) {
    this.leave();
    this.#id = id;
    this.#order = null;
    this.#isCancelling = false;
    byId('order-id').textContent = id;
    byId('order-body').hidden = true;
    byId('order-queued').hidden = !accepted?.queued;
    this.#setStatus(null, accepted ? summary(accepted) : 'Looking up the order…');
    announce(byId('cancel-message'), null);
    this.#follower = new Follower(id, {
      isNew: Boolean(accepted),
      onOrder: (order) => this.#render(order),
      onAway: () => this.#setAway(true),
      onBack: () => this.#setAway(false),
      onProblem: (problem) => this.#lost(problem),
    });
    this.#follower.now();
  }

  /** The order, once it is known, shows its products' names: call this when the catalogue has come. */
  refreshNames() {
    if (this.#order) this.#renderItems(this.#order);
  }

  leave() {
    this.#follower?.stop();
    this.#setAway(false);
  }

  #render(order) {
    this.#order = order;
    byId('order-body').hidden = false;
    byId('order-queued').hidden = !order.queued;
    this.#setStatus(order.status, summary(order));
    this.#renderHistory(order);
    this.#renderItems(order);
    byId('order-total').textContent = money.formatJson(order.totalAmount, order.currency);
    byId('order-customer').textContent = order.customerID;
    byId('order-payment').textContent = payment(order);
    setTime(byId('order-created'), order.createdAt);
    this.#renderCancel(order);
  }

  #setStatus(status, text) {
    const element = byId('order-status');
    if (element.textContent !== text) element.textContent = text;
    element.dataset.status = status ?? '';
    document.title = status ? `${label(status)}: order ${this.#id} – OrderFlow` : 'OrderFlow';
  }

  #setAway(isAway) {
    const text = 'OrderFlow is not answering at the moment. Your order goes on; this page keeps trying.';
    // A message that stays is not set again: a screen reader would read it at every attempt.
    if (isAway && this.#away.hidden) this.#away.querySelector('p').textContent = text;
    this.#away.hidden = !isAway;
  }

  #lost(problem) {
    this.#setAway(false);
    const text = problem.status === 404 ? 'There is no such order. Check the link.' : sentence(problem.message);
    this.#setStatus(null, text);
  }

  #renderHistory({ history, status }) {
    const past = history.map((change) => historyRow(change.status, change.at));
    const next = isFinal(status) ? [] : HAPPY_PATH.slice(HAPPY_PATH.indexOf(status) + 1);
    const upcoming = HAPPY_PATH.includes(status) ? next.map((name) => historyRow(name, null)) : [];
    byId('history').replaceChildren(...past, ...upcoming);
  }

  #renderItems({ items, currency }) {
    const rows = items.map(({ productID, quantity, unitPrice }) => {
      const row = fromTemplate('item-row');
      row.querySelector('.name').textContent = this.#catalogue.nameOf(productID);
      row.querySelector('.each').textContent = `${quantity} × ${money.formatJson(unitPrice, currency)}`;
      const each = money.fromJson(unitPrice, currency);
      row.querySelector('.price').textContent = each === null ? '' : money.format(each * BigInt(quantity), currency);
      return row;
    });
    byId('order-items').replaceChildren(...rows);
  }

  #renderCancel({ status }) {
    const canCancel = !isFinal(status);
    if (!canCancel && document.activeElement === this.#cancel) byId('order-title').focus();
    this.#cancel.hidden = !canCancel;
    setBusy(this.#cancel, this.#isCancelling);
    if (canCancel) return;
    const cameTooLate = this.#isCancelling && status !== 'CANCELLED';
    announce(byId('cancel-message'), cameTooLate ? 'It was too late to cancel this order.' : null);
  }

  async #askToCancel() {
    if (this.#isCancelling) return;
    const id = this.#id;
    this.#setCancelling(true, 'Cancelling the order…');
    try {
      await api.cancel(id);
    } catch (error) {
      if (!(error instanceof api.Unreachable || error instanceof api.Problem)) throw error;
      const why = error instanceof api.Unreachable ? 'OrderFlow could not be reached. Try to cancel again.' : sentence(error.message);
      if (id === this.#id) this.#setCancelling(false, why);
    }
    if (id === this.#id) this.#follower.now();
  }

  #setCancelling(isCancelling, message) {
    this.#isCancelling = isCancelling;
    setBusy(this.#cancel, isCancelling);
    // The end may have been shown while the call was under way; it says all there is to say.
    if (!this.#order || !isFinal(this.#order.status)) announce(byId('cancel-message'), message);
  }
}

/** Where an order stands, in sentences. */
function summary({ status, failureReason }) {
  const reason = failureReason && sentence(`reason: ${failureReason}`);
  return [`${label(status)}.`, STATUSES[status]?.[1], reason].filter(Boolean).join(' ');
}

function payment({ payment, currency, status }) {
  if (!payment) return isFinal(status) ? 'Not charged' : 'Not charged yet';
  return `${money.formatJson(payment.amount, currency)} ${PAYMENTS[payment.status] ?? payment.status.toLowerCase()}`;
}

/** A status the order has had, or, without a time, one that is still to come. */
function historyRow(status, at) {
  const row = fromTemplate('history-row');
  row.dataset.status = status;
  row.querySelector('.what').textContent = label(status);
  if (at) setTime(row.querySelector('time'), at);
  else {
    row.classList.add('upcoming');
    row.querySelector('time').replaceWith('– to come');
  }
  return row;
}

function setTime(element, at) {
  element.dateTime = at;
  element.textContent = TIMES.format(new Date(at));
}
