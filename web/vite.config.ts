import { defineConfig } from 'vite';
import { sizeLimit } from './size-limit.ts';

const api = process.env.API_URL ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [sizeLimit()],
  build: {
    target: 'es2022',
    // Names under assets/ hold a hash of the content, so they may be cached for ever.
    assetsDir: 'assets',
    // The content security policy allows no data: in styles' imports other than images.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  css: {
    preprocessorOptions: {
      // Bootstrap 5 is written for an older Sass; what it warns of is not ours to change.
      scss: { quietDeps: true, silenceDeprecations: ['import', 'global-builtin', 'color-functions', 'if-function'] },
    },
  },
  // `npm run dev` shows the sources at once, on the API of `make run`.
  server: { host: '127.0.0.1', proxy: { '/api': api, '/config.json': api } },
});
