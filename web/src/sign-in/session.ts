// The signed-in user. The OpenID Connect library is loaded only if an issuer is configured. Tokens
// stay in memory.

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

/** True if the issuer could not be reached. */
export const isIssuerAway = signal(false);

/** Redirects to the issuer's sign-in page, which returns to the current view. */
export const signIn = (): Promise<void> => withIssuer((oidc) => oidc.signIn());
export const signOut = (): Promise<void> => withIssuer((oidc) => oidc.signOut());

/**
 * Completes a sign-in, or restores the one from before a reload. Called once, before the first
 * view.
 */
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
