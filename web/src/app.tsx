// The frame around every view, and the routes of the views.

import { LocationProvider, Router, useLocation } from 'preact-iso';
import { useEffect } from 'preact/hooks';
import { getConfig } from './config.ts';
import { type Language, LANGUAGES, language, setLanguage } from './i18n/language.ts';
import { words } from './i18n/words.ts';
import { Operations } from './operations/operations.tsx';
import { OrderPage } from './order/order-page.tsx';
import { MyOrders } from './orders/my-orders.tsx';
import { Button } from './parts/button.tsx';
import { Empty } from './parts/empty.tsx';
import { Notice } from './parts/notice.tsx';
import { Title } from './parts/title.tsx';
import { Shop } from './shop/shop.tsx';
import { isIssuerAway, signIn, signOut } from './sign-in/issuer.ts';
import { mayOperate, user } from './sign-in/session.ts';

export function App() {
  useEffect(() => {
    document.documentElement.lang = language.value;
  }, [language.value]);
  return (
    <LocationProvider>
      <a class="btn btn-primary skip" href="#content">
        {words().skip}
      </a>
      <Bar />
      <main class="container py-4" id="content" tabIndex={-1}>
        {isIssuerAway.value && <Notice tone="bad">{words().signIn.failed}</Notice>}
        <Router onRouteChange={() => scrollTo(0, 0)}>
          <Shop path="/" />
          <MyOrders path="/orders" />
          <OrderPage path="/orders/:id" />
          <Operations path="/operations" />
          <NotFound default />
        </Router>
      </main>
    </LocationProvider>
  );
}

function Bar() {
  const { navigation, shop, orders, operations, title } = words();
  const { path } = useLocation();
  const views: [string, string][] = [
    ['/', shop.link],
    ['/orders', orders.link],
  ];
  if (mayOperate.value) views.push(['/operations', operations.link]);
  return (
    <header class="bar">
      <div class="container">
        <a class="brand" href="/">
          <img src="/favicon.svg" alt="" width="28" height="28" />
          {title}
        </a>
        <nav aria-label={navigation}>
          <ul class="plain">
            {views.map(([address, name]) => (
              <li key={address}>
                <a href={address} aria-current={path === address ? 'page' : undefined}>
                  {name}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <div class="aside">
          <Account />
          <LanguageChoice />
        </div>
      </div>
    </header>
  );
}

function Account() {
  const { signIn: say } = words();
  if (!getConfig().signIn) return null;
  if (!user.value) return <Button onClick={signIn}>{say.action}</Button>;
  return (
    <>
      <span class="quiet">
        {user.value.name} {user.value.isStaff && <span class="tone tone-progress">{say.staff}</span>}
      </span>
      <Button onClick={signOut}>{say.out}</Button>
    </>
  );
}

function LanguageChoice() {
  return (
    <select class="form-select" aria-label={words().language} value={language.value} onChange={(event) => setLanguage(event.currentTarget.value as Language)}>
      {Object.entries(LANGUAGES).map(([tag, name]) => (
        <option key={tag} value={tag} lang={tag}>
          {name}
        </option>
      ))}
    </select>
  );
}

function NotFound(_: { default?: boolean }) {
  const { notFound } = words();
  return (
    <>
      <Title text={notFound.title} />
      <Empty icon="box" text={notFound.text}>
        <a class="btn btn-outline-primary" href="/">
          {notFound.link}
        </a>
      </Empty>
    </>
  );
}
