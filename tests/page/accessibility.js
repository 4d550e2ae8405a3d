// The accessibility check of a view: WCAG 2.2 AA, as far as axe can check it, and a width that fits
// the screen.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const WIDTHS = [1280, 768, 320];
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** Asserts that a view breaks no rule of WCAG 2.2 AA and is not wider than the screen. */
export async function assertAccessible(page, view) {
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 800 });
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0, `${view} is wider than ${width} px`);
  }
  await page.evaluate(AXE);
  // Finishes the short animations in which colours change. Animations that never end, such as those
  // of progress, cannot be finished.
  await page.evaluate(() => document.getAnimations().forEach((animation) => animation.effect.getComputedTiming().iterations < Infinity && animation.finish()));
  const { violations } = await page.evaluate((rules) => globalThis.axe.run(document, { runOnly: rules }), RULES);
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('; ')}`);
  assert.deepEqual(found, [], view);
}
