// The language of the page: the chosen language, or else the first language of the browser that the
// page offers, or else English.

import { signal } from '@preact/signals';

export const LANGUAGES = { en: 'English', ru: 'Русский' } as const;
export type Language = keyof typeof LANGUAGES;

const KEY = 'orderflow.language';

/** Returns the first of the wanted languages (BCP 47) that the page offers, or else English. */
export function choose(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const language = tag.toLowerCase().split('-')[0] ?? '';
    if (language in LANGUAGES) return language as Language;
  }
  return 'en';
}

function initial(): Language {
  if (typeof document === 'undefined') return 'en';
  return choose([localStorage.getItem(KEY) ?? '', ...navigator.languages]);
}

export const language = signal<Language>(initial());

export function setLanguage(chosen: Language): void {
  localStorage.setItem(KEY, chosen);
  language.value = chosen;
}
