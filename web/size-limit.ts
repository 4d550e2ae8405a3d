// Fails the build if the page's files are too large for a phone on a slow network.

import { gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';

/** The limit for all files of the page together, in bytes, compressed with gzip. */
const LIMIT = 150_000;

export function sizeLimit(): Plugin {
  return {
    name: 'size-limit',
    writeBundle(_, bundle) {
      const sizes = new Map<string, number>();
      for (const file of Object.values(bundle)) {
        const kind = file.fileName.split('.').at(-1) ?? '';
        const content = file.type === 'chunk' ? file.code : file.source;
        sizes.set(kind, (sizes.get(kind) ?? 0) + gzipSync(content, { level: 9 }).length);
      }
      const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
      const kinds = [...sizes].map(([kind, size]) => `${kind} ${kB(size)}`).join(', ');
      const summary = `${kB(total)} compressed (${kinds}) of ${kB(LIMIT)}`;
      if (total > LIMIT) throw new Error(`The page is too large: ${summary}`);
      console.log(`The page: ${summary}`);
    },
  };
}

const kB = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`;
