// The configuration of the page: config.json, written by `api` in local mode and by the deployment
// in AWS.

export interface Config {
  /** The issuer for signing in. Null if authentication is off and everybody may do everything. */
  signIn: SignIn | null;
  /**
   * True if the payment gateway is the sandbox: no money moves, and the customer chooses the result
   * of the payment.
   */
  sandbox: boolean;
  /** True if orders are shipped. */
  ships: boolean;
  /**
   * The payment methods to offer if the gateway is not the sandbox: tokens and their labels. The
   * first one is the default.
   */
  paymentMethods?: { id: string; label: string }[];
  /** True if orders are traced. The page's calls then carry the header `traceparent`. */
  traces?: boolean;
  /** Links for staff. `trace` contains `{traceID}` or, for X-Ray, `{xrayTraceID}`. */
  links: { temporal?: string; dashboard?: string; trace?: string };
}

export interface SignIn {
  issuer: string;
  clientId: string;
  scope: string;
  /**
   * The address that ends the issuer's session. It is set for issuers whose metadata does not
   * contain it, such as Cognito.
   */
  signOutUrl?: string;
}

let config: Config = { signIn: null, sandbox: false, ships: true, links: {} };

export async function loadConfig(): Promise<void> {
  const response = await fetch('/config.json');
  if (!response.ok) throw new Error(`config.json: HTTP ${response.status}`);
  config = { ...config, ...((await response.json()) as Partial<Config>) };
}

/** The configuration. It is loaded before anything is shown. */
export const getConfig = (): Config => config;
