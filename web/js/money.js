// Exact money: a BigInt of minor units (cents for USD, yen for JPY). Nothing is ever added or multiplied as a binary float.

/** Decimal places of a currency; Intl takes them from ISO 4217, as the API does. */
function digits(currency) {
  return new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits;
}

/**
 * Minor units of an amount in the API's JSON, or null when it is no amount of that currency.
 * JSON.parse has made it a double; doubles give back every decimal of up to 15 digits unchanged as text, and the API's amounts have 13.
 */
export function fromJson(number, currency) {
  const match = /^(\d+)(?:\.(\d+))?$/.exec(String(number));
  const places = digits(currency);
  const [, whole, fraction = ''] = match ?? [];
  if (!match || fraction.length > places) return null;
  return BigInt(whole + fraction.padEnd(places, '0'));
}

/** The amount as decimal text in major units, which is also how it stands in JSON: 129999n USD is 1299.99. */
export function toDecimal(minor, currency) {
  const places = digits(currency);
  const text = String(minor).padStart(places + 1, '0');
  return places === 0 ? text : `${text.slice(0, -places)}.${text.slice(-places)}`;
}

/** The amount for people, in the manner of their language. */
export function format(minor, currency) {
  return new Intl.NumberFormat(undefined, { style: 'currency', currency }).format(toDecimal(minor, currency));
}

/** An amount of the API's JSON for people. */
export function formatJson(number, currency) {
  const minor = fromJson(number, currency);
  return minor === null ? `${number} ${currency}` : format(minor, currency);
}
