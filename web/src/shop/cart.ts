// The cart and the order form's values. Both survive a reload: the browser stores the cart, and
// only the tab stores the contact.

import { effect, signal } from '@preact/signals';
import { recall, remember, thisBrowser, thisTab } from '../storage.ts';
import { EMPTY_FORM, type Filled, type Line } from './lines.ts';

const CART = 'orderflow.cart';
const DETAILS = 'orderflow.details';
const CUSTOMER = 'orderflow.customer';

export const cart = signal<Line[]>(recall<Line[]>(thisBrowser, CART) ?? []);

/** The customer id that the customer has typed, if nobody is signed in. */
export const customerID = signal(recall<string>(thisBrowser, CUSTOMER) ?? '');

export const details = signal<Filled>({ ...EMPTY_FORM, ...recall<Partial<Filled>>(thisTab, DETAILS) });

effect(() => remember(thisBrowser, CART, cart.value));
effect(() => remember(thisTab, DETAILS, details.value));

/** Remembers a customer id that was used, so that it is offered again. */
export function rememberCustomer(id: string): void {
  customerID.value = id;
  remember(thisBrowser, CUSTOMER, id || null);
}
