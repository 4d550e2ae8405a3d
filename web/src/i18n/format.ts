// Amounts and times in the format of the page's language.

import * as money from '../money.ts';
import { language } from './language.ts';

const TIME: Intl.DateTimeFormatOptions = { dateStyle: 'medium', timeStyle: 'medium' };
const DAY: Intl.DateTimeFormatOptions = { dateStyle: 'medium', timeStyle: 'short' };

/** A time of the API, to the second. */
export const time = (at: string) => new Intl.DateTimeFormat(language.value, TIME).format(new Date(at));
/** A time of the API, to the minute. */
export const day = (at: string) => new Intl.DateTimeFormat(language.value, DAY).format(new Date(at));
export const minor = (amount: money.Minor, currency: string) => money.format(amount, currency, language.value);
export const amount = (amount: number, currency: string) => money.formatJson(amount, currency, language.value);
