import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newTraceparent } from './traceparent.ts';

test('a trace has new ids, and says whether it is recorded', () => {
  const sampled = newTraceparent(true);
  assert.match(sampled, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  assert.match(newTraceparent(false), /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  assert.notEqual(newTraceparent(true).slice(3, 35), sampled.slice(3, 35));
});
