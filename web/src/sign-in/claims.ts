// The claims of an access token, read as the API reads them (functions/src/identity). They grant
// nothing: the API verifies the token, and the page only decides which actions it offers.

/** The groups whose members see and process all orders. */
const STAFF = ['staff', 'admin'];
/** The groups whose members may also make refunds and restocks. */
const ADMIN = ['admin'];

export interface Claims {
  sub?: string;
  groups?: string | string[];
  'cognito:groups'?: string | string[];
}

/** The claims of a token; empty if it is not a JSON web token. */
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
