// The page: either the form for a new order at `/`, or one order at `/?order=ID`, a link that can be kept.

import { Catalogue, CatalogueView } from './catalogue.js';
import { byId } from './dom.js';
import { OrderForm } from './form.js';
import { OrderView } from './order.js';

const catalogue = new Catalogue();
const orderView = new OrderView(catalogue);
const form = new OrderForm((accepted) => {
  history.pushState(null, '', `/?order=${encodeURIComponent(accepted.id)}`);
  show(accepted);
  byId('order-title').focus();
});
const catalogueView = new CatalogueView(catalogue, (product) => form.add(product));

function show(accepted) {
  const id = new URLSearchParams(location.search).get('order');
  byId('new-order').hidden = Boolean(id);
  byId('order').hidden = !id;
  if (id) {
    orderView.show(id, accepted);
  } else {
    orderView.leave();
    document.title = 'New order – OrderFlow';
  }
}

window.addEventListener('popstate', () => show());
show();
await catalogueView.load();
orderView.refreshNames();
