// The payment methods, from the configuration (config.ts).

import { type Config, getConfig } from '../config.ts';
import { en } from '../i18n/en.ts';

/**
 * The payment methods to choose from: those of the sandbox, or the configured ones. Empty if none
 * are configured.
 */
export function methodsOf({ sandbox, paymentMethods = [] }: Pick<Config, 'sandbox' | 'paymentMethods'>): { id: string; label?: string }[] {
  return sandbox ? Object.keys(en.scenarios).map((id) => ({ id })) : paymentMethods;
}

/**
 * The payment method of the order: the chosen one if it is available, or else the first available
 * one. Empty if there is none; the API then decides.
 */
export function methodFor(chosen: string, config: Pick<Config, 'sandbox' | 'paymentMethods'> = getConfig()): string {
  const methods = methodsOf(config);
  return (methods.find(({ id }) => id === chosen) ?? methods[0])?.id ?? '';
}
