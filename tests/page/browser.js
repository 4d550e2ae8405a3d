// The browser of the tests: what CHROMIUM names, else the first known one on PATH. Nothing is downloaded.

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const ARGS = ['--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'];

function onPath(name) {
  const candidates = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name));
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** A browser with an empty profile, which it removes when it is closed. */
export async function launch() {
  const executablePath = process.env.CHROMIUM || NAMES.map(onPath).find(Boolean);
  if (!executablePath) throw new Error(`no browser: set CHROMIUM or put one of ${NAMES.join(', ')} on PATH`);
  // Chromium's sandbox refuses to work for root.
  const args = process.getuid?.() === 0 ? [...ARGS, '--no-sandbox'] : ARGS;
  return chromium.launch({ executablePath, args, headless: true });
}
