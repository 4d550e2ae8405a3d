// What the customer has chosen and filled in so far. Kept over reloads: the cart by the browser, contacts by the tab alone.

import { effect, signal } from '@preact/signals';
import { recall, remember, thisBrowser, thisTab } from '../storage.ts';
import type { Details, Line } from './lines.ts';

const CART = 'orderflow.cart';
const DETAILS = 'orderflow.details';
const CUSTOMER = 'orderflow.customer';

export const cart = signal<Line[]>(recall<Line[]>(thisBrowser, CART) ?? []);

/** Who the customer says they are, where nobody signs in. */
export const customerID = signal(recall<string>(thisBrowser, CUSTOMER) ?? '');

export type Filled = Omit<Details, 'customerID' | 'language'>;
export const details = signal<Filled>({ paymentMethod: 'tok_visa', email: '', phone: '', channel: '', ...recall<Partial<Filled>>(thisTab, DETAILS) });

effect(() => remember(thisBrowser, CART, cart.value));
effect(() => remember(thisTab, DETAILS, details.value));

/** They have used this name, so it is offered again. */
export function isCustomer(id: string): void {
  customerID.value = id;
  remember(thisBrowser, CUSTOMER, id || null);
}
