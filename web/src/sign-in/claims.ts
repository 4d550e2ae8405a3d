// What an access token says of its bearer, as the API reads it (functions/src/identity). Nothing is decided here: the API verifies, the page only
// offers what it would be allowed.

/** Who sees every order and helps it on its way. */
const STAFF = ['staff', 'admin'];
/** Who moves money and stock, too. */
const ADMIN = ['admin'];

export interface Claims {
  sub?: string;
  groups?: string | string[];
  'cognito:groups'?: string | string[];
}

/** The claims of a token, or none when it is not a JSON web token. */
export function claimsOf(token: string): Claims {
  try {
    const payload = token.split('.')[1] ?? '';
    const bytes = Uint8Array.from(atob(payload.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)) as Claims;
  } catch {
    return {};
  }
}

export const isStaff = (claims: Claims): boolean => isIn(STAFF, claims);
export const isAdmin = (claims: Claims): boolean => isIn(ADMIN, claims);

function isIn(groups: string[], claims: Claims): boolean {
  return [claims.groups ?? [], claims['cognito:groups'] ?? []].flat().some((group) => groups.includes(group));
}
