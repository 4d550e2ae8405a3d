import assert from 'node:assert/strict';
import { test } from 'node:test';
import { filledPage } from './filled-page.ts';

/**
 * A stub of an API with these pages. The cursor of a page is its index. `asked` records the cursors
 * that were read.
 */
function history(...pages: string[][]) {
  const asked: (string | null)[] = [];
  const read = async (cursor: string | null) => {
    asked.push(cursor);
    const at = Number(cursor ?? 0);
    return { items: pages[at] ?? [], nextCursor: at + 1 < pages.length ? String(at + 1) : null };
  };
  return { asked, read };
}

test('empty pages are skipped', async () => {
  const { asked, read } = history([], [], ['rare'], ['rarer']);
  assert.deepEqual(await filledPage(read, null, () => true), { items: ['rare'], nextCursor: '3' });
  assert.deepEqual(asked, [null, '1', '2']);
});

test('the last page may be empty', async () => {
  const { read } = history(['first'], [], []);
  assert.deepEqual(await filledPage(read, '1', () => true), { items: [], nextCursor: null });
});

test('no further page is read when the list is not wanted any more', async () => {
  const { asked, read } = history([], [], ['rare']);
  await filledPage(read, null, () => false);
  assert.deepEqual(asked, [null]);
});
