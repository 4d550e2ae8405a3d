// What can be paid with, as Config of config.ts names it.

import { type Config, getConfig } from '../config.ts';
import { en } from '../i18n/en.ts';

/** The payment tokens to choose from: the sandbox's scenarios, or what the shop takes; none where the shop does not say. */
export function methodsOf({ sandbox, paymentMethods = [] }: Pick<Config, 'sandbox' | 'paymentMethods'>): { id: string; label?: string }[] {
  return sandbox ? Object.keys(en.scenarios).map((id) => ({ id })) : paymentMethods;
}

/** What the order is paid with: what was chosen, if it can be, else the first that can; nothing leaves it to the API. */
export function methodFor(chosen: string, config: Pick<Config, 'sandbox' | 'paymentMethods'> = getConfig()): string {
  const methods = methodsOf(config);
  return (methods.find(({ id }) => id === chosen) ?? methods[0])?.id ?? '';
}
