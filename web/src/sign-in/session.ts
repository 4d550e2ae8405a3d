// Who uses the page. The library that talks to the issuer is loaded only where there is one; tokens stay in memory.

import { computed, signal } from '@preact/signals';
import { getConfig } from '../config.ts';

export interface User {
  /** The issuer's name for the person, which is their customerID. */
  subject: string;
  /** What they are called on the page. */
  name: string;
  isStaff: boolean;
  isAdmin: boolean;
}

/** Set while somebody is signed in. */
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

/** The API does not take the token (any longer). */
export function refused(): void {
  if (accessToken) signedOut();
}

/** Whether orders can be placed and seen: by everyone where nobody is asked. */
export const mayOrder = computed(() => !getConfig().signIn || user.value !== null);
/** Whether all orders can be seen. */
export const mayOperate = computed(() => !getConfig().signIn || user.value?.isStaff === true);
/** Whether money can be given back and stock brought in. */
export const mayMoveMoney = computed(() => !getConfig().signIn || user.value?.isAdmin === true);
/** The customer that the issuer says it is; null where customers say so themselves. Staff order for whom they like. */
export const customer = computed(() => (user.value && !user.value.isStaff ? user.value.subject : null));

/** The issuer could not be reached. */
export const isIssuerAway = signal(false);

/** Goes to the issuer's sign-in page, and comes back to this view. */
export const signIn = (): Promise<void> => withIssuer((oidc) => oidc.signIn());
export const signOut = (): Promise<void> => withIssuer((oidc) => oidc.signOut());

/** Completes a sign-in, or renews the one of before a reload. Once, before the first view. */
export async function restore(): Promise<void> {
  if (getConfig().signIn) await withIssuer((oidc) => oidc.restore());
}

async function withIssuer(task: (oidc: typeof import('./oidc.ts')) => Promise<void>): Promise<void> {
  try {
    isIssuerAway.value = false;
    await task(await import('./oidc.ts'));
  } catch (error) {
    console.warn('the issuer cannot be reached', error);
    isIssuerAway.value = true;
  }
}
