// The page's texts in the current language. Components that use them render again when the language
// changes.

import { en, type Words } from './en.ts';
import { type Language, language } from './language.ts';
import { ru } from './ru.ts';

const WORDS: Record<Language, Words> = { en, ru };

export const words = (): Words => WORDS[language.value];
