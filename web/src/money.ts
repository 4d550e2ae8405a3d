// Exact money: a BigInt of minor units (cents for USD, yen for JPY). Amounts are never added or
// multiplied as binary floats.

import digits from './currency-digits.json' with { type: 'json' };

/** Minor units of a currency. */
export type Minor = bigint;

/**
 * The number of decimal places of a currency. A test of `orders` writes the table, so that it
 * agrees with the API. The table of the browser cannot be used: for 18 currencies, browsers follow
 * national habits and show fewer decimal places than ISO 4217 defines.
 */
function places(currency: string): number {
  return (digits as Record<string, number>)[currency] ?? 2;
}

/**
 * Returns the minor units of an amount in the API's JSON, or null if it is not an amount of that
 * currency. JSON.parse makes the amount a double. This is exact: a double returns every decimal of
 * up to 15 digits unchanged as text, and the API's amounts have at most 13.
 */
export function fromJson(amount: number, currency: string): Minor | null {
  return fromParts(/^(\d+)(?:\.(\d+))?$/.exec(String(amount)), currency);
}

/**
 * Returns the minor units of a typed amount, with a point or a comma before the decimals. Returns
 * null if the text is not an amount or has more whole digits than the API accepts.
 */
export function fromText(text: string, currency: string): Minor | null {
  return fromParts(/^(\d{1,11})(?:[.,](\d+))?$/.exec(text.trim()), currency);
}

/** `parts`: the whole match, the digits before the decimal point, and the digits after it. */
function fromParts(parts: RegExpExecArray | null, currency: string): Minor | null {
  const [, whole = '', fraction = ''] = parts ?? [];
  if (!parts || fraction.length > places(currency)) return null;
  return BigInt(whole + fraction.padEnd(places(currency), '0'));
}

/**
 * The amount for the API's JSON: 129999n of USD is 1299.99. A double holds it exactly, as above.
 */
export function toJson(minor: Minor, currency: string): number {
  return Number(toDecimal(minor, currency));
}

/** The amount as decimal text in major units. */
export function toDecimal(minor: Minor, currency: string): string {
  const digits = places(currency);
  const text = String(minor).padStart(digits + 1, '0');
  return digits === 0 ? text : `${text.slice(0, -digits)}.${text.slice(-digits)}`;
}

/** The amount for people, in the format of a language. */
export function format(minor: Minor, currency: string, language: string): string {
  const fraction = { minimumFractionDigits: places(currency), maximumFractionDigits: places(currency) };
  return new Intl.NumberFormat(language, { style: 'currency', currency, ...fraction }).format(toDecimal(minor, currency) as `${number}`);
}

/** An amount of the API's JSON for people. */
export function formatJson(amount: number, currency: string, language: string): string {
  const minor = fromJson(amount, currency);
  return minor === null ? `${amount} ${currency}` : format(minor, currency, language);
}
