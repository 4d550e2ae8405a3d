import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newTraceparent } from './traceparent.ts';

test('each call begins a trace with new ids', () => {
  const first = newTraceparent();
  assert.match(first, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  assert.notEqual(newTraceparent().slice(3, 35), first.slice(3, 35));
});
