// Amounts and times in the format of the page's language.

import * as money from '../money.ts';
import { language } from './language.ts';

const TIME: Intl.DateTimeFormatOptions = { dateStyle: 'medium', timeStyle: 'medium' };
const DAY: Intl.DateTimeFormatOptions = { dateStyle: 'medium', timeStyle: 'short' };

const AXIS: Intl.DateTimeFormatOptions = { hour: 'numeric', minute: '2-digit' };
const AXIS_DAY: Intl.DateTimeFormatOptions = { weekday: 'short', hour: 'numeric', minute: '2-digit' };
const UNITS: [string, number][] = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
];

/** A time of the API, to the second. */
export const time = (at: string) => new Intl.DateTimeFormat(language.value, TIME).format(new Date(at));
/** A time of the API, to the minute. */
export const day = (at: string) => new Intl.DateTimeFormat(language.value, DAY).format(new Date(at));
/** A time on the axis of a chart: the day, too, if the chart shows more than a few hours. */
export const chartTime = (seconds: number, withDay: boolean) => new Intl.DateTimeFormat(language.value, withDay ? AXIS_DAY : AXIS).format(new Date(seconds * 1000));
export const count = (n: number) => new Intl.NumberFormat(language.value, { maximumFractionDigits: 2 }).format(n);

/** A duration in the largest unit of which it has at least one, with two or three digits. */
export function duration(ms: number): string {
  const [unit, length] = UNITS.find(([, length]) => Math.abs(ms) >= length) ?? ['millisecond', 1];
  const value = ms / length;
  const maximumFractionDigits = value < 10 ? 1 : 0;
  return new Intl.NumberFormat(language.value, { style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits }).format(value);
}

export const minor = (amount: money.Minor, currency: string) => money.format(amount, currency, language.value);
export const amount = (amount: number, currency: string) => money.formatJson(amount, currency, language.value);
