// Sign-in by OpenID Connect: the authorization code flow with PKCE. The state and the code verifier
// must survive the redirect to the issuer and back. They are in sessionStorage, and each is used
// only once. Tokens are kept only in memory. After a reload, the page gets new tokens from the
// issuer without interaction, as long as the issuer's session lasts.

import { ErrorResponse, InMemoryWebStorage, type User as OidcUser, UserManager, WebStorageStateStore } from 'oidc-client-ts';
import { getConfig } from '../config.ts';
import { claimsOf, isAdmin, isStaff } from './claims.ts';
import { signedIn, signedOut } from './session.ts';

/** The storage key that is set after somebody has signed in with this tab. */
const HINT = 'orderflow.signed-in';

let manager: UserManager | null = null;

function getManager(): UserManager {
  if (manager) return manager;
  const { signIn } = getConfig();
  if (!signIn) throw new Error('there is no issuer to sign in with');
  manager = new UserManager({
    authority: signIn.issuer,
    client_id: signIn.clientId,
    redirect_uri: `${location.origin}/`,
    post_logout_redirect_uri: `${location.origin}/`,
    scope: signIn.scope,
    userStore: new WebStorageStateStore({ store: new InMemoryWebStorage() }),
    stateStore: new WebStorageStateStore({ store: sessionStorage }),
    automaticSilentRenew: false,
    monitorSession: false,
  });
  manager.events.addUserLoaded(take);
  manager.events.addAccessTokenExpiring(renew);
  manager.events.addUserUnloaded(signedOut);
  manager.events.addAccessTokenExpired(signedOut);
  return manager;
}

/**
 * Renews the tokens with the refresh token. Without one, renewal would need an iframe of the
 * issuer, which the content security policy forbids.
 */
async function renew(): Promise<void> {
  const user = await manager?.getUser();
  // An error is ignored here: the user is signed out when the token expires.
  if (user?.refresh_token) await manager?.signinSilent().catch(() => null);
}

function take({ access_token, profile }: OidcUser): void {
  const claims = claimsOf(access_token);
  const subject = claims.sub ?? profile.sub;
  const name = profile.name ?? profile.email ?? profile.preferred_username ?? subject;
  signedIn({ subject, name, isStaff: isStaff(claims), isAdmin: isAdmin(claims) }, access_token);
  sessionStorage.setItem(HINT, 'yes');
}

const here = () => location.pathname + location.search;

export async function signIn(): Promise<void> {
  await getManager().signinRedirect({ state: here() });
}

export async function signOut(): Promise<void> {
  sessionStorage.removeItem(HINT);
  const { signOutUrl } = getConfig().signIn ?? {};
  const manager = getManager();
  const metadata = await manager.metadataService.getMetadata();
  if (signOutUrl) {
    location.assign(signOutUrl);
  } else if (metadata.end_session_endpoint) {
    await manager.signoutRedirect();
  } else {
    await manager.removeUser();
  }
}

export async function restore(): Promise<void> {
  const parameters = new URLSearchParams(location.search);
  if (parameters.has('state') && (parameters.has('code') || parameters.has('error'))) await complete();
  else if (sessionStorage.getItem(HINT)) await getManager().signinRedirect({ state: here(), prompt: 'none' });
}

/** Completes the sign-in after the issuer has redirected back to the page. */
async function complete(): Promise<void> {
  let back = '/';
  try {
    const user = await getManager().signinCallback();
    back = String(user?.state ?? '/');
  } catch (error) {
    // The issuer's session has ended, the user declined, or this address was opened a second time.
    // In each case nobody is signed in.
    sessionStorage.removeItem(HINT);
    if (error instanceof ErrorResponse && typeof error.state === 'string') back = error.state;
    else console.warn('signing in failed', error);
  }
  history.replaceState(null, '', back);
}
