import { defineConfig } from 'vite';
import { sizeLimit } from './size-limit.ts';

const api = process.env.API_URL ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [sizeLimit()],
  build: {
    target: 'es2022',
    // Names in assets/ contain a hash of the content, so browsers may cache the files for ever.
    assetsDir: 'assets',
    // Nothing is inlined as a data: URL. The content security policy allows these only for images.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  css: {
    preprocessorOptions: {
      // Bootstrap 5 is written for an older Sass. We cannot change the code that Sass warns about.
      scss: { quietDeps: true, silenceDeprecations: ['import', 'global-builtin', 'color-functions', 'if-function'] },
    },
  },
  // `npm run dev` shows changes at once, and uses the API of `make run`.
  server: { host: '127.0.0.1', proxy: { '/api': api, '/config.json': api } },
});
