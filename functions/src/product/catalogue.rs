//! Compares a new order with the catalogue in the read model. If the catalogue shows that the order
//! is wrong, the order is refused before anything is stored or started for it.
//!
//! A process remembers the prices that it has read. If an order has the remembered prices, nothing
//! is read. Before an order is refused, its products are read again. So a correct order is not
//! refused because of an outdated price.
//!
//! If the read model does not answer in time, orders are compared only with prices that were read
//! within the last seconds. A product without such a price is not judged. An unknown product is
//! also not judged while the catalogue is being filled again. The worker compares every order with
//! Postgres later, so a wrong order fails there at the latest.

use orders::{
    Currency, Money,
    json::{FieldError, FieldErrors},
    order::LineItem,
    request::NewOrder,
};
use platform::{
    error::chain,
    read_model::{self, ReadModel},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::time::timeout;

/// How long a remembered price is used without reading it again.
const PRICE_MAX_AGE: Duration = Duration::from_secs(10);
/// How long the read model is not read after it did not answer in time.
const PAUSE: Duration = Duration::from_secs(1);
/// The maximum number of products that a process remembers.
const MAX_REMEMBERED: usize = 10_000;
/// The maximum number of witnesses. If a product is not found, these other products are read to see
/// whether the catalogue still has them.
const MAX_WITNESSES: usize = 20;
/// The maximum number of witnesses that may be missing. One product may have been removed from the
/// catalogue. If more are missing, the catalogue was lost.
const MAX_REMOVED: usize = 1;
/// How long a lost catalogue may need until it is complete again.
const REFILL_TIME: Duration = Duration::from_secs(60);

#[derive(clap::Args, Clone, Debug)]
#[group(id = "catalogue")]
pub struct Settings {
    /// How long a new order waits for the catalogue, in milliseconds. After that, the order is
    /// compared only with prices that were read in the last 10 seconds.
    #[arg(long, env = "CATALOGUE_TIMEOUT_MS", default_value_t = 200)]
    pub catalogue_timeout_ms: u64,
}

/// The price of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Price {
    minor: i64,
    currency: Currency,
}

impl Price {
    /// Reads the price from the JSON of a product. Returns `None` if this release cannot read it.
    fn read(json: &str) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Product<'a> {
            #[serde(borrow)]
            unit_price: &'a RawValue,
            currency: Currency,
        }
        let Product { unit_price, currency } = serde_json::from_str(json).ok()?;
        Some(Self { minor: Money::parse(unit_price.get(), currency).ok()?.minor, currency })
    }

    fn matches_line(self, line: &LineItem, currency: Currency) -> bool {
        (self.minor, self.currency) == (line.unit_price_minor, currency)
    }
}

#[derive(Default)]
struct Memory {
    products: HashMap<String, Known>,
    /// The read model is not read until then.
    paused_until: Option<Instant>,
    /// The catalogue may lack products until then.
    incomplete_until: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Known {
    price: Price,
    read_at: Instant,
}

/// What was read for one order.
struct Reading {
    /// The price of each product that was found, by product id. `None` if the price cannot be read.
    found: HashMap<String, Option<Price>>,
    /// True if the products that were not found do not exist. False if the catalogue may be
    /// incomplete.
    is_complete: bool,
}

pub struct Catalogue {
    read_model: Arc<ReadModel>,
    limit: Duration,
    memory: Mutex<Memory>,
}

impl Catalogue {
    #[must_use]
    pub fn new(read_model: Arc<ReadModel>, settings: &Settings) -> Self {
        Self { read_model, limit: Duration::from_millis(settings.catalogue_timeout_ms), memory: Mutex::default() }
    }

    /// Compares the order's line items with the catalogue. An order that cannot be judged now
    /// passes.
    ///
    /// # Errors
    /// Returns every fault of the order, with its place in the request.
    pub async fn check(&self, order: &NewOrder) -> Result<(), Vec<FieldError>> {
        let now = Instant::now();
        if self.memory().has_prices_of(order, now) {
            return Ok(());
        }
        if self.memory().paused_until.is_some_and(|until| until > now) {
            return self.judge_by_memory(order, now);
        }
        let reading = timeout(self.limit, self.read(order)).await.map_err(|_| format!("no answer within {} ms", self.limit.as_millis()));
        match reading.and_then(|reading| reading.map_err(|error| chain(&error))) {
            Ok(reading) => {
                let faults = faults(order, &reading);
                if faults.is_empty() { Ok(()) } else { Err(faults) }
            }
            Err(cause) => {
                let now = Instant::now();
                // If several orders fail at once, only the first one logs it.
                if self.memory().paused_until.replace(now + PAUSE).is_none_or(|until| until <= now) {
                    tracing::warn!(cause, "the catalogue cannot be read; orders are compared with remembered prices only");
                }
                self.judge_by_memory(order, now)
            }
        }
    }

    /// Compares an order with the remembered prices while the read model does not answer. Products
    /// that are not remembered are not judged. Without this comparison, a burst of orders could
    /// make the read model slow, and then every wrong order of the burst would be accepted.
    fn judge_by_memory(&self, order: &NewOrder, now: Instant) -> Result<(), Vec<FieldError>> {
        let reading = Reading { found: self.memory().recall(order, now), is_complete: false };
        let faults = faults(order, &reading);
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    async fn read(&self, order: &NewOrder) -> Result<Reading, read_model::Error> {
        let product_ids: BTreeSet<&str> = order.items.iter().map(|line| line.product_id.as_str()).collect();
        let documents = self.read_model.products_by_id(product_ids.iter().copied()).await?;
        let found = self.memory().remember(documents, Instant::now());
        let is_complete = found.len() == product_ids.len() || self.is_complete(&product_ids).await?;
        Ok(Reading { found, is_complete })
    }

    /// Whether the products that were not found do not exist. This is assumed if the catalogue
    /// still has other products, the witnesses.
    async fn is_complete(&self, product_ids: &BTreeSet<&str>) -> Result<bool, read_model::Error> {
        let witnesses = self.memory().witnesses(product_ids);
        let documents = if witnesses.is_empty() {
            self.read_model.some_products(MAX_WITNESSES).await?
        } else {
            self.read_model.products_by_id(witnesses.iter().map(String::as_str)).await?
        };
        let (now, mut memory) = (Instant::now(), self.memory());
        let mut missing = 0;
        for removed in witnesses.iter().filter(|id| !documents.contains_key(*id)) {
            memory.products.remove(removed);
            missing += 1;
        }
        if documents.is_empty() || missing > MAX_REMOVED {
            tracing::warn!(missing, "the catalogue has lost products; unknown ones are not refused for {} s", REFILL_TIME.as_secs());
            memory.incomplete_until = Some(now + REFILL_TIME);
        }
        memory.remember(documents, now);
        Ok(memory.incomplete_until.is_none_or(|until| until <= now))
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    /// Whether every line item has the remembered price of its product.
    fn has_prices_of(&self, order: &NewOrder, now: Instant) -> bool {
        order.items.iter().all(|line| {
            let known = self.products.get(&line.product_id);
            known.is_some_and(|known| {
                now.saturating_duration_since(known.read_at) < PRICE_MAX_AGE && known.price.matches_line(line, order.total.currency)
            })
        })
    }

    /// The remembered prices of the order's products.
    fn recall(&self, order: &NewOrder, now: Instant) -> HashMap<String, Option<Price>> {
        let products = order.items.iter().filter_map(|line| self.products.get_key_value(&line.product_id));
        let fresh = products.filter(|(_, known)| now.saturating_duration_since(known.read_at) < PRICE_MAX_AGE);
        fresh.map(|(id, known)| (id.clone(), Some(known.price))).collect()
    }

    /// Remembers the products that were just read. Returns their prices.
    fn remember(&mut self, documents: HashMap<String, String>, now: Instant) -> HashMap<String, Option<Price>> {
        if self.products.len() + documents.len() > MAX_REMEMBERED {
            self.products.retain(|_, known| now.saturating_duration_since(known.read_at) < PRICE_MAX_AGE);
            if self.products.len() + documents.len() > MAX_REMEMBERED {
                self.products.clear();
            }
        }
        let prices = documents.into_iter().map(|(id, json)| {
            let price = Price::read(&json);
            if let Some(price) = price {
                self.products.insert(id.clone(), Known { price, read_at: now });
            }
            (id, price)
        });
        prices.collect()
    }

    /// Products to be used as witnesses: the catalogue had them when they were last read, and
    /// `product_ids` does not contain them.
    fn witnesses(&self, product_ids: &BTreeSet<&str>) -> Vec<String> {
        self.products.keys().filter(|id| !product_ids.contains(id.as_str())).take(MAX_WITNESSES).cloned().collect()
    }
}

/// Every fault of an order, according to what was read.
fn faults(order: &NewOrder, reading: &Reading) -> Vec<FieldError> {
    let mut faults = FieldErrors::default();
    let mut currency_is_named = false;
    for (n, line) in order.items.iter().enumerate() {
        match reading.found.get(&line.product_id) {
            None if reading.is_complete => faults.add(format!("/items/{n}/productID"), "is not in the catalogue"),
            None | Some(None) => {}
            Some(Some(price)) if price.currency != order.total.currency => {
                if !currency_is_named {
                    faults.add("/currency", format!("must be {}, as the catalogue has it for /items/{n}", price.currency.code()));
                }
                currency_is_named = true;
            }
            Some(Some(Price { minor, .. })) if *minor == line.unit_price_minor => {}
            Some(Some(Price { minor, currency })) => {
                let price = Money { minor: *minor, currency: *currency };
                faults.add(format!("/items/{n}/unitPrice"), format!("must be {price}, the price in the catalogue"));
            }
        }
    }
    faults.into_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(currency: &str, lines: &[(&str, &str)]) -> NewOrder {
        let items: Vec<_> = lines.iter().map(|(id, price)| format!(r#"{{"productID":"{id}","quantity":1,"unitPrice":{price}}}"#)).collect();
        let currency_of = Currency::from_code(currency).unwrap();
        let minor = lines.iter().map(|(_, price)| Money::parse(price, currency_of).unwrap().minor).sum();
        let total = Money { minor, currency: currency_of };
        let body = format!(r#"{{"customerID":"C","currency":"{currency}","totalAmount":{total},"items":[{}]}}"#, items.join(","));
        NewOrder::parse(body.as_bytes()).unwrap()
    }

    fn document(id: &str, price: &str, currency: &str) -> (String, String) {
        (id.to_owned(), format!(r#"{{"productID":"{id}","name":"N","unitPrice":{price},"currency":"{currency}","inStock":true}}"#))
    }

    fn catalogue() -> HashMap<String, String> {
        HashMap::from([document("LAMP", "19.95", "USD"), document("TEA", "1500", "JPY"), document("VASE", "1", "ZZZ")])
    }

    /// The faults of an order, as (pointer, message).
    fn faults_of(order: &NewOrder, is_complete: bool) -> Vec<(String, String)> {
        let found = Memory::default().remember(catalogue(), Instant::now());
        faults(order, &Reading { found, is_complete }).into_iter().map(|fault| (fault.pointer, fault.message)).collect()
    }

    #[test]
    fn each_fault_is_named_by_its_place() {
        let fault = |pointer: &str, message: &str| (pointer.to_owned(), message.to_owned());
        assert_eq!(faults_of(&order("USD", &[("LAMP", "19.95"), ("LAMP", "19.950")]), true), []);
        assert_eq!(
            faults_of(&order("USD", &[("LAMP", "19.94"), ("NONE", "1"), ("LAMP", "19.95")]), true),
            [
                fault("/items/0/unitPrice", "must be 19.95, the price in the catalogue"),
                fault("/items/1/productID", "is not in the catalogue"),
            ]
        );
        assert_eq!(
            faults_of(&order("USD", &[("TEA", "1500"), ("TEA", "1500")]), true),
            [fault("/currency", "must be JPY, as the catalogue has it for /items/0")]
        );
    }

    #[test]
    fn what_is_not_known_is_not_judged() {
        assert_eq!(faults_of(&order("USD", &[("NONE", "1")]), false), []);
        // A product that this release cannot read, because of its unknown currency.
        assert_eq!(faults_of(&order("USD", &[("VASE", "2")]), true), []);
        // A price that was found is compared, even if another product was not found.
        assert_eq!(faults_of(&order("USD", &[("LAMP", "1"), ("NONE", "1")]), false).len(), 1);
    }

    #[test]
    fn a_remembered_price_is_used_for_a_while() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        assert!(!memory.has_prices_of(&order("USD", &[("LAMP", "19.95")]), now));
        memory.remember(catalogue(), now);
        assert!(memory.has_prices_of(&order("USD", &[("LAMP", "19.95"), ("LAMP", "19.95")]), now));
        assert!(memory.has_prices_of(&order("JPY", &[("TEA", "1500")]), now));
        for other in
            [order("USD", &[("LAMP", "19.94")]), order("EUR", &[("LAMP", "19.95")]), order("USD", &[("LAMP", "19.95"), ("NONE", "1")])]
        {
            assert!(!memory.has_prices_of(&other, now));
        }
        assert!(!memory.has_prices_of(&order("USD", &[("LAMP", "19.95")]), now + PRICE_MAX_AGE));
    }

    #[test]
    fn while_nothing_can_be_read_orders_are_held_to_remembered_prices() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        memory.remember(catalogue(), now);
        let order = order("USD", &[("LAMP", "1"), ("NONE", "1")]);
        let judged = |now| faults(&order, &Reading { found: memory.recall(&order, now), is_complete: false });
        assert_eq!(judged(now).into_iter().map(|fault| fault.pointer).collect::<Vec<_>>(), ["/items/0/unitPrice"]);
        assert_eq!(judged(now + PRICE_MAX_AGE), []);
    }

    #[test]
    fn no_more_products_are_remembered_than_may_be() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        for n in 0..MAX_REMEMBERED + 5 {
            memory.remember(HashMap::from([document(&format!("P-{n}"), "1.00", "USD")]), now);
            assert!(memory.products.len() <= MAX_REMEMBERED);
        }
        assert_eq!(memory.witnesses(&BTreeSet::new()).len(), 5);
        assert!(memory.witnesses(&BTreeSet::from(["P-10000", "P-10001", "P-10002", "P-10003"])).len() == 1);
    }
}
