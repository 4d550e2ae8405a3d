// The signed-in user and what this user may do. The access token stays in memory.

import { computed, signal } from '@preact/signals';
import { getConfig } from '../config.ts';

export interface User {
  /** The subject of the access token, which is also the customer id. */
  subject: string;
  /** The name that the page shows. */
  name: string;
  isStaff: boolean;
  isAdmin: boolean;
}

/** Null while nobody is signed in. */
export const user = signal<User | null>(null);
let accessToken: string | null = null;

export const token = (): string | null => accessToken;

export function signedIn(who: User, access: string): void {
  accessToken = access;
  user.value = who;
}

export function signedOut(): void {
  accessToken = null;
  user.value = null;
}

/** Signs the user out after the API has refused the token. */
export function refused(): void {
  if (accessToken) signedOut();
}

/** Whether the user may place and see orders. Everybody may if authentication is off. */
export const mayOrder = computed(() => !getConfig().signIn || user.value !== null);
/** Whether the user may see all orders. */
export const mayOperate = computed(() => !getConfig().signIn || user.value?.isStaff === true);
/** Whether the user may make refunds and restocks. */
export const mayMoveMoney = computed(() => !getConfig().signIn || user.value?.isAdmin === true);
/**
 * The customer id of a signed-in customer. Null for staff, who may order for any customer, and
 * while nobody is signed in.
 */
export const customer = computed(() => (user.value && !user.value.isStaff ? user.value.subject : null));
