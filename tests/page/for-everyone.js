// What holds for every view: WCAG 2.2 AA as far as axe can tell, and no view wider than the screen.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const WIDTHS = [1280, 768, 320];
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** No view breaks a rule of WCAG 2.2 AA, or is wider than the screen. */
export async function isForEveryone(page, view) {
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 800 });
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0, `${view} is wider than ${width} px`);
  }
  await page.evaluate(AXE);
  // Colours change over a moment, which is endless where something is on its way.
  await page.evaluate(() => document.getAnimations().forEach((animation) => animation.effect.getComputedTiming().iterations < Infinity && animation.finish()));
  const { violations } = await page.evaluate((rules) => globalThis.axe.run(document, { runOnly: rules }), RULES);
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('; ')}`);
  assert.deepEqual(found, [], view);
}
