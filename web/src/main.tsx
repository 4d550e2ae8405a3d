import { render } from 'preact';
import { App } from './app.tsx';
import { loadConfig } from './config.ts';
import { words } from './i18n/words.ts';
import { Notice } from './parts/notice.tsx';
import { restore } from './sign-in/issuer.ts';
import './style/page.scss';

const page = document.getElementById('page');
if (!page) throw new Error('index.html has no element for the page');

// Old links have the form /?order=ID.
const old = new URLSearchParams(location.search).get('order');
if (location.pathname === '/' && old) history.replaceState(null, '', `/orders/${encodeURIComponent(old)}`);

try {
  await loadConfig();
  // If a user was signed in before a reload, this redirects to the issuer, which redirects back.
  await restore();
  render(<App />, page);
} catch (error) {
  console.error(error);
  render(
    <main class="container py-4">
      <Notice tone="bad" action={{ text: words().tryAgain, run: () => location.reload() }}>
        {words().broken}
      </Notice>
    </main>,
    page,
  );
}
