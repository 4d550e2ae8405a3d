import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claimsOf, isAdmin, isStaff } from './claims.ts';

const token = (claims: object) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`;

test('the page and the API agree about who is staff', () => {
  for (const claims of [{ groups: ['staff'] }, { groups: 'admin' }, { 'cognito:groups': ['buyers', 'admin'] }]) {
    assert.equal(isStaff(claimsOf(token(claims))), true, JSON.stringify(claims));
  }
  for (const claims of [{}, { groups: ['Staff'] }, { groups: 'sales staff' }, { 'cognito:groups': [] }]) {
    assert.equal(isStaff(claimsOf(token(claims))), false, JSON.stringify(claims));
  }
});

test('the page and the API agree about who is an admin', () => {
  for (const claims of [{ groups: 'admin' }, { 'cognito:groups': ['staff', 'admin'] }]) assert.equal(isAdmin(claimsOf(token(claims))), true);
  for (const claims of [{}, { groups: ['staff'] }, { groups: ['admins'] }]) assert.equal(isAdmin(claimsOf(token(claims))), false);
});

test('a name in any script is read', () => {
  assert.equal(claimsOf(token({ sub: 'Ада ✓' })).sub, 'Ада ✓');
});

test('a text that is not a token has no claims', () => {
  for (const text of ['', 'opaque', 'a.b.c', 'a.!!.c']) assert.deepEqual(claimsOf(text), {});
});
