// Which file CloudFront takes for an address: the function of infra/web.yaml, run as CloudFront runs it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';

const TEMPLATE = readFileSync(new URL('../../infra/web.yaml', import.meta.url), 'utf8');
const [, CODE] = TEMPLATE.match(/^ {6}FunctionCode: \|\n((?: {8}.*\n)+)/m);

/** The file that is taken for an address. */
function fileOf(uri) {
  const event = { version: '1.0', context: { eventType: 'viewer-request' }, viewer: {}, request: { method: 'GET', uri, querystring: {}, headers: {}, cookies: {} } };
  return runInNewContext(`${CODE}; handler(${JSON.stringify(event)})`).uri;
}

test('the addresses of views are those of the page, and files are files', () => {
  for (const view of ['/', '/orders', '/orders/ord_01930000000070008000000000000001', '/operations', '/nothing/here']) {
    assert.equal(fileOf(view), '/index.html', view);
  }
  for (const file of ['/index.html', '/favicon.svg', '/config.json', '/assets/index-Ce3gkgLE.css']) {
    assert.equal(fileOf(file), file);
  }
});
