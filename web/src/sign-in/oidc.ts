// Sign-in by OpenID Connect: authorization code with PKCE. What must outlive the way to the issuer and back is in sessionStorage (state and code
// verifier, both of use only once); tokens are in memory alone. A reload asks the issuer again, silently, while its own session lasts.

import { ErrorResponse, InMemoryWebStorage, type User as OidcUser, UserManager, WebStorageStateStore } from 'oidc-client-ts';
import { getConfig } from '../config.ts';
import { claimsOf, isAdmin, isStaff } from './claims.ts';
import { signedIn, signedOut } from './session.ts';

/** That somebody had signed in with this tab. */
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

/** Without a refresh token it would take a frame of the issuer's, which the content security policy rules out. */
async function renew(): Promise<void> {
  const user = await manager?.getUser();
  // What fails here shows when the token has expired.
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

/** The issuer has sent the browser back. */
async function complete(): Promise<void> {
  let back = '/';
  try {
    const user = await getManager().signinCallback();
    back = String(user?.state ?? '/');
  } catch (error) {
    // The issuer's session has ended, or the person said no; or this address was opened a second time. All mean: not signed in.
    sessionStorage.removeItem(HINT);
    if (error instanceof ErrorResponse && typeof error.state === 'string') back = error.state;
    else console.warn('signing in failed', error);
  }
  history.replaceState(null, '', back);
}
