// Exact money: a BigInt of minor units (cents for USD, yen for JPY). Nothing is ever added or multiplied as a binary float.

import digits from './currency-digits.json' with { type: 'json' };

/** Minor units of some currency. */
export type Minor = bigint;

/**
 * Decimal places of a currency, as the API has them: a test of `orders` writes the table. Browsers go by how people in a country write amounts,
 * which for 18 currencies is with fewer decimals than ISO 4217 gives them.
 */
function places(currency: string): number {
  return (digits as Record<string, number>)[currency] ?? 2;
}

/**
 * Minor units of an amount in the API's JSON, or null when it is no amount of that currency.
 * JSON.parse has made it a double; doubles give back every decimal of up to 15 digits unchanged as text, and the API's amounts have 13.
 */
export function fromJson(amount: number, currency: string): Minor | null {
  return fromParts(/^(\d+)(?:\.(\d+))?$/.exec(String(amount)), currency);
}

/** Minor units of an amount that was typed, with a point or a comma before the decimals; null when it is none, or is more than the API takes. */
export function fromText(text: string, currency: string): Minor | null {
  return fromParts(/^(\d{1,11})(?:[.,](\d+))?$/.exec(text.trim()), currency);
}

/** `parts`: all of it, the whole units, the decimals. */
function fromParts(parts: RegExpExecArray | null, currency: string): Minor | null {
  const [, whole = '', fraction = ''] = parts ?? [];
  if (!parts || fraction.length > places(currency)) return null;
  return BigInt(whole + fraction.padEnd(places(currency), '0'));
}

/** The amount as it stands in the API's JSON: 129999n USD is 1299.99, which a double keeps for the same reason. */
export function toJson(minor: Minor, currency: string): number {
  return Number(toDecimal(minor, currency));
}

/** The amount as decimal text in major units. */
export function toDecimal(minor: Minor, currency: string): string {
  const digits = places(currency);
  const text = String(minor).padStart(digits + 1, '0');
  return digits === 0 ? text : `${text.slice(0, -digits)}.${text.slice(-digits)}`;
}

/** The amount for people, in the manner of a language. */
export function format(minor: Minor, currency: string, language: string): string {
  const fraction = { minimumFractionDigits: places(currency), maximumFractionDigits: places(currency) };
  return new Intl.NumberFormat(language, { style: 'currency', currency, ...fraction }).format(toDecimal(minor, currency) as `${number}`);
}

/** An amount of the API's JSON for people. */
export function formatJson(amount: number, currency: string, language: string): string {
  const minor = fromJson(amount, currency);
  return minor === null ? `${amount} ${currency}` : format(minor, currency, language);
}
