import assert from 'node:assert/strict';
import { test } from 'node:test';
import { capped, graphemes, initials } from './text.ts';

const FAMILY = '👨‍👩‍👧';

test('a name is cut between characters', () => {
  assert.equal(initials('Aurora Laptop 15'), 'AL');
  assert.equal(initials(' keyboard '), 'K');
  assert.equal(initials('ёлка 🎄'), 'Ё🎄');
  assert.equal(initials(`${FAMILY}set 🇩🇪flag`), `${FAMILY}🇩🇪`);
  assert.equal(initials('e\u0301clair'), 'E\u0301');
  assert.equal(initials(''), '');
});

test('the length of a text is counted as the API counts it', () => {
  assert.equal(capped('👋'.repeat(201), 200), '👋'.repeat(200));
  assert.equal(capped('reason', 200), 'reason');
  assert.equal(capped(FAMILY.repeat(2), 9), FAMILY);
  assert.equal(capped('e\u0301e\u0301', 3), 'e\u0301');
});

test('each character counts as one grapheme', () => {
  assert.deepEqual(graphemes(`a${FAMILY}🇩🇪e\u0301`), ['a', FAMILY, '🇩🇪', 'e\u0301']);
});
