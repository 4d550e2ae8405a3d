// The browser of the tests: the program that CHROMIUM names, else the first known browser on PATH.
// Nothing is downloaded.

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

/** Starts a browser with an empty profile. The profile is removed when the browser closes. */
export async function launch() {
  const executablePath = process.env.CHROMIUM || NAMES.map(onPath).find(Boolean);
  if (!executablePath) throw new Error(`no browser: set CHROMIUM or put one of ${NAMES.join(', ')} on PATH`);
  // Chromium's sandbox does not work for root.
  const args = process.getuid?.() === 0 ? [...ARGS, '--no-sandbox'] : ARGS;
  return chromium.launch({ executablePath, args, headless: true });
}
