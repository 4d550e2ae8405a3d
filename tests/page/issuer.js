// A real OpenID Connect issuer for the tests. Its access tokens are JSON web tokens for the API.
// The user `sue` is staff, and `eve` is an admin.

import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import Provider from 'oidc-provider';

export const AUDIENCE = 'urn:orderflow';
export const CLIENT = 'page';

/** Starts the issuer on a port of this machine. The page at `pageUrl` is its client. */
export async function start(port, pageUrl) {
  const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    clients: [
      {
        client_id: CLIENT,
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code'],
        response_types: ['code'],
        redirect_uris: [new URL('/', pageUrl).href],
        post_logout_redirect_uris: [new URL('/', pageUrl).href],
      },
    ],
    jwks: { keys: [{ ...key, kid: 'one', alg: 'RS256', use: 'sig' }] },
    cookies: { keys: [randomUUID()] },
    clientBasedCORS: () => true,
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    extraTokenClaims: (_, token) => ({ groups: { sue: ['staff'], eve: ['admin'] }[token.accountId] ?? [] }),
    features: {
      // The issuer's own plain pages for signing in and for consent.
      devInteractions: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => AUDIENCE,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({ scope: '', audience: AUDIENCE, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } }),
      },
    },
    ttl: { AccessToken: 3600, Grant: 3600, IdToken: 3600, Interaction: 3600, Session: 3600 },
  });
  const server = provider.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
