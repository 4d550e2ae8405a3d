import assert from 'node:assert/strict';
import { test } from 'node:test';
import { numberOf, safeLink, shipmentTone } from './shipment.ts';

test('only a safe address becomes a link', () => {
  assert.equal(safeLink('https://carrier.example/track/1'), 'https://carrier.example/track/1');
  for (const url of [null, undefined, '', 'http://carrier.example/1', 'javascript:alert(1)', '//carrier.example', 'https://']) assert.equal(safeLink(url), null, String(url));
});

test('a shipment is shown by its number', () => {
  assert.equal(numberOf('ord_01930000000070008000000000000001-12'), '12');
  assert.equal(numberOf('shp_x'), 'shp_x');
});

test('a shipment that does not arrive stands out', () => {
  assert.deepEqual(['BOOKED', 'DELIVERED', 'LOST', 'TELEPORTED', 'constructor'].map(shipmentTone), ['progress', 'good', 'bad', 'progress', 'progress']);
});
