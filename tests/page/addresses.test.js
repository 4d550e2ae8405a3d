// Tests which file CloudFront serves for an address. The function under test is the one in
// infra/web.yaml; it runs here as CloudFront runs it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';

const TEMPLATE = readFileSync(new URL('../../infra/web.yaml', import.meta.url), 'utf8');
const [, CODE] = TEMPLATE.match(/^ {6}FunctionCode: \|\n((?: {8}.*\n)+)/m);

/** The file that is served for an address. */
function fileOf(uri) {
  const event = { version: '1.0', context: { eventType: 'viewer-request' }, viewer: {}, request: { method: 'GET', uri, querystring: {}, headers: {}, cookies: {} } };
  return runInNewContext(`${CODE}; handler(${JSON.stringify(event)})`).uri;
}

test('addresses of views serve the page, and addresses of files serve the files', () => {
  for (const view of ['/', '/orders', '/orders/ord_01930000000070008000000000000001', '/operations', '/nothing/here']) {
    assert.equal(fileOf(view), '/index.html', view);
  }
  for (const file of ['/index.html', '/favicon.svg', '/config.json', '/assets/index-Ce3gkgLE.css']) {
    assert.equal(fileOf(file), file);
  }
});
