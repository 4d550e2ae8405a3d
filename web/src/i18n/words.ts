// The page's words in the language that it speaks. A component that uses them is rendered anew when the language changes.

import { en, type Words } from './en.ts';
import { type Language, language } from './language.ts';
import { ru } from './ru.ts';

const WORDS: Record<Language, Words> = { en, ru };

export const words = (): Words => WORDS[language.value];
