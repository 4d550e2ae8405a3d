// The catalogue, from which the customer chooses products.

import { useEffect, useState } from 'preact/hooks';
import type { Product } from '../api/model.ts';
import { amount } from '../i18n/format.ts';
import { words } from '../i18n/words.ts';
import { Button } from '../parts/button.tsx';
import { Empty } from '../parts/empty.tsx';
import { Notice } from '../parts/notice.tsx';
import { initials } from '../text.ts';
import { cart } from './cart.ts';
import { load, matching, products, trouble } from './catalogue.ts';
import { add } from './lines.ts';

/** How many products are shown at first, and how many each "show more" adds. */
const STEP = 24;

export function Catalogue() {
  const { shop, tryAgain, showMore } = words();
  const [text, setText] = useState('');
  const [limit, setLimit] = useState(STEP);
  const [added, setAdded] = useState('');
  useEffect(() => void load(), []);
  const search = (text: string) => {
    setText(text);
    setLimit(STEP);
  };
  const choose = ({ productID, name }: Product) => {
    cart.value = add(cart.value, productID);
    setAdded(shop.added(name, cart.value.find((line) => line.productID === productID)?.quantity ?? ''));
  };

  const all = products.value;
  const found = matching(all ?? [], text);
  return (
    <section aria-label={shop.title}>
      {trouble.value && (
        <Notice tone="bad" action={{ text: tryAgain, run: load }}>
          {shop.away}
        </Notice>
      )}
      <label class="form-label" for="search">
        {shop.search}
      </label>
      <input class="form-control mb-2" id="search" type="search" autocomplete="off" spellcheck={false} value={text} onInput={(event) => search(event.currentTarget.value)} />
      <p class="quiet mb-2" role="status">
        {all ? shop.found(found.length, all.length) : trouble.value ? '' : words().loading}
      </p>
      <p class="visually-hidden" role="status">
        {added}
      </p>
      {!all && !trouble.value && <Loading />}
      {all?.length === 0 && <Empty icon="box" text={shop.empty} />}
      {all && all.length > 0 && found.length === 0 && (
        <Empty icon="box" text={shop.none}>
          <Button onClick={() => search('')}>{shop.clear}</Button>
        </Empty>
      )}
      <ul class="plain products" id="products">
        {found.slice(0, limit).map((product) => (
          <Tile key={product.productID} product={product} onAdd={() => choose(product)} />
        ))}
      </ul>
      {found.length > limit && (
        <Button class="btn-outline-primary w-100 mt-3" onClick={() => setLimit(limit + STEP)}>
          {showMore}
        </Button>
      )}
    </section>
  );
}

function Tile({ product, onAdd }: { product: Product; onAdd: () => void }) {
  const { shop } = words();
  const { productID, name, unitPrice, currency, inStock } = product;
  return (
    <li class={`product ${inStock ? '' : 'sold-out'}`} data-product={productID}>
      <Monogram name={name} />
      <span class="name" lang="en">
        {name}
      </span>
      <span class="details quiet">
        <span class="d-block">{productID}</span>
        <span class="stock">{inStock ? shop.inStock : shop.soldOut}</span>
      </span>
      <span class="price number">{amount(unitPrice, currency)}</span>
      <span class="add">
        <Button class="btn-outline-primary" label={inStock ? shop.addNamed(name) : `${name}: ${shop.soldOut}`} disabled={!inStock} onClick={onAdd}>
          {shop.add}
        </Button>
      </span>
    </li>
  );
}

/** A replacement for a picture: the catalogue has no pictures. */
function Monogram({ name }: { name: string }) {
  const letters = initials(name);
  const colour = [...letters].reduce((sum, letter) => sum + (letter.codePointAt(0) ?? 0), 0) % 6;
  return (
    <span class={`tile tile-${colour}`} aria-hidden="true">
      {letters}
    </span>
  );
}

function Loading() {
  return (
    <div class="products placeholder-glow" aria-hidden="true">
      {[...Array(8).keys()].map((n) => (
        <div class="product" key={n}>
          <span class="tile placeholder" />
          <span class="name">
            <span class="placeholder col-8" />
          </span>
          <span class="details">
            <span class="placeholder col-6" />
          </span>
        </div>
      ))}
    </div>
  );
}
