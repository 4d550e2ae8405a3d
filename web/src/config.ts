// What the page is told when it runs: config.json, made by `api` in local mode and by the deployment in AWS.

export interface Config {
  /** How to sign in; null where anyone may do everything. */
  signIn: SignIn | null;
  /** The payments are the sandbox's: no money moves, and the customer chooses what happens. */
  sandbox: boolean;
  /** Orders are shipped. */
  ships: boolean;
  /** What the customer can pay with, where it is not the sandbox: payment tokens and their names. The first is taken unless another is chosen. */
  paymentMethods?: { id: string; label: string }[];
  /** Where staff look further. */
  links: { temporal?: string; dashboard?: string };
}

export interface SignIn {
  issuer: string;
  clientId: string;
  scope: string;
  /** Where signing out ends the session of an issuer whose configuration does not say, such as Cognito's. */
  signOutUrl?: string;
}

let config: Config = { signIn: null, sandbox: false, ships: true, links: {} };

export async function loadConfig(): Promise<void> {
  const response = await fetch('/config.json');
  if (!response.ok) throw new Error(`config.json: HTTP ${response.status}`);
  config = { ...config, ...((await response.json()) as Partial<Config>) };
}

/** Known before anything is shown. */
export const getConfig = (): Config => config;
