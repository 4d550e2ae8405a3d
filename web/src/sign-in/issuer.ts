// Signing in and out at the issuer. The OpenID Connect library is loaded only if an issuer is
// configured.

import { signal } from '@preact/signals';
import { getConfig } from '../config.ts';

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
