import assert from 'node:assert/strict';
import { test } from 'node:test';
import { offeredPart } from './offered-part.ts';

const item = (productID: string, quantity: number, unitPrice: number, available?: number) => ({ productID, quantity, unitPrice, ...(available !== undefined && { available }) });

test('the total of the offer is exact', () => {
  const { lines, total } = offeredPart({ currency: 'USD', items: [item('A', 5, 0.1, 3), item('B', 7, 1299.99, 0), item('C', 2, 19.95)] });
  assert.equal(total, 4020n);
  assert.deepEqual(lines.map(({ quantity, available }) => [quantity, available]), [[5, 3], [7, 0], [2, 2]]);
});

test('a price that cannot be read leaves no total', () => {
  assert.equal(offeredPart({ currency: 'JPY', items: [item('A', 1, 0.5, 1), item('B', 1, 100, 1)] }).total, null);
});
