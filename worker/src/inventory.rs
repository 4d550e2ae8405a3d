//! Stock: reserving an order's lines, and releasing them.
//!
//! Of an order that has at least one product in full, what there is is reserved, and the customer is asked whether to go on with that. An order
//! that has none in full is out of stock: there is nothing in it that the customer asked for.
//!
//! Locks are always taken in the same order, first the order's row, then the products by id, so that two orders never wait for each other in a
//! circle. `products.stock` has a CHECK that it cannot go below zero, whatever this code does.

mod amendment;
pub(crate) mod expiry;

use crate::{
    order::{self, Move},
    reason::NO_SUCH_PRODUCT,
    risk::{self, Limits},
};
pub(crate) use amendment::amend;
use anyhow::Context;
use deadpool_postgres::{GenericClient, Object, Transaction};
use orders::{
    Currency, Money, OrderId, OrderStatus,
    activities::{LineItem, Refusal, ReservationRequest},
};
use std::{collections::BTreeMap, time::Duration};
use tokio_postgres::Row;

/// Why an order's stock could not be reserved; each message is for the customer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{prefix} {0}", prefix = NO_SUCH_PRODUCT)]
    UnknownProduct(String),
    #[error("the price of {product} is {price} {code}, not {asked}", code = currency.code())]
    WrongPrice { product: String, price: Money, currency: Currency, asked: Money },
    #[error("{product} is priced in {code}", code = currency.code())]
    WrongCurrency { product: String, currency: Currency },
    #[error("{0} is out of stock")]
    OutOfStock(String),
    #[error("maintenance: {0}")]
    Maintenance(String),
    #[error(transparent)]
    Database(#[from] anyhow::Error),
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.into())
    }
}

impl Error {
    /// How Temporal and the workflow know this refusal; `None` when it is a fault of ours that another attempt may not meet.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::UnknownProduct(_) | Self::WrongPrice { .. } | Self::WrongCurrency { .. } => Some(Refusal::InvalidOrder),
            Self::OutOfStock(_) => Some(Refusal::OutOfStock),
            Self::Maintenance(_) | Self::Database(_) => None,
        }
    }
}

/// On what terms stock is held.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// How long for an order that is not paid.
    pub(crate) held_for: Duration,
    /// How long an order waits for somebody's decision.
    pub(crate) decision_timeout: Duration,
    /// What a customer may order before somebody looks at it.
    pub(crate) limits: Limits,
}

/// Reserves an order's lines and moves it to RESERVED; to IN_REVIEW when it is beyond the customer's limits; to ACTION_REQUIRED when there is only a
/// part of it, which is reserved. An order that is not PENDING any more stays as it is.
pub(crate) async fn reserve(client: &mut Object, request: &ReservationRequest, terms: &Terms) -> Result<Move, Error> {
    let wanted = by_product(&request.items);
    // Most orders can have what they want, which one statement finds out and does. Why one cannot is found out at leisure.
    if terms.limits.is_empty()
        && let Some(step) = take(&*client, request, &wanted, OrderStatus::Reserved, terms.held_for).await?
    {
        return Ok(step);
    }
    let transaction = client.transaction().await?;
    let step = reserve_or_say_why(&transaction, request, &wanted, terms).await?;
    transaction.commit().await?;
    Ok(step)
}

/// Under locks, so that what is found out of the customer, the catalogue and the stock still holds when it is acted on.
async fn reserve_or_say_why(
    transaction: &Transaction<'_>,
    request: &ReservationRequest,
    wanted: &BTreeMap<&str, i64>,
    terms: &Terms,
) -> Result<Move, Error> {
    let (status, maintenance) = lock(transaction, request.order_id).await?;
    if status != OrderStatus::Pending {
        return Ok(Move::none(status));
    }
    if let Some(reason) = maintenance {
        return Err(Error::Maintenance(reason));
    }
    let concern = risk::concern(transaction, request.order_id, &terms.limits).await?;
    let lock = transaction
        .prepare_cached("SELECT id, name, price_minor, currency, stock FROM products WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE")
        .await?;
    let catalogue = transaction.query(&lock, &[&wanted.keys().copied().collect::<Vec<_>>()]).await?;
    let mut stock = check(request, wanted, &catalogue)?;
    let to = match (stock.is_short(), concern) {
        (true, _) => {
            amendment::note(transaction, request, &stock).await?;
            OrderStatus::ActionRequired
        }
        (false, Some(concern)) => {
            risk::ask(transaction, request.order_id, &concern).await?;
            OrderStatus::InReview
        }
        (false, None) => OrderStatus::Reserved,
    };
    stock.available.retain(|_, quantity| *quantity > 0);
    let step = take(transaction, request, &stock.available, to, terms.held_for).await?;
    Ok(step.context("an order that could be reserved was not")?)
}

/// The one place that takes stock: all of `units` for a PENDING order, which moves to `to`, or nothing, when anything at all is in the way.
async fn take(
    client: &impl GenericClient,
    request: &ReservationRequest,
    units: &BTreeMap<&str, i64>,
    to: OrderStatus,
    held_for: Duration,
) -> anyhow::Result<Option<Move>> {
    let take = client
        .prepare_cached(
            "WITH wanted AS (
                SELECT product_id, quantity FROM unnest($2::text[], $3::bigint[]) AS w (product_id, quantity)
            ), asked AS (
                SELECT product_id, price_minor FROM unnest($4::text[], $5::bigint[]) AS a (product_id, price_minor)
            ), pending AS (
                SELECT FROM orders WHERE id = $1 AND status = $7 AND compensating_since IS NULL AND NOT EXISTS (SELECT FROM maintenance)
                FOR NO KEY UPDATE
            ), locked AS MATERIALIZED (
                SELECT id, price_minor, currency, stock FROM products WHERE id = ANY ($2) AND EXISTS (SELECT FROM pending)
                ORDER BY id FOR NO KEY UPDATE
            ), fits AS MATERIALIZED (
                SELECT count(*) = cardinality($2::text[]) AS yes FROM locked l JOIN wanted w ON w.product_id = l.id
                WHERE l.stock >= w.quantity AND l.currency = $6
                    AND NOT EXISTS (SELECT FROM asked a WHERE a.product_id = l.id AND a.price_minor <> l.price_minor)
            ), taken AS (
                UPDATE products p SET stock = p.stock - w.quantity, reserved = p.reserved + w.quantity
                FROM wanted w, fits WHERE fits.yes AND p.id = w.product_id
            ), held AS (
                INSERT INTO reservations (order_id, product_id, quantity, expires_at)
                SELECT $1, product_id, quantity, now() + $10::bigint * interval '1 millisecond' FROM wanted, fits WHERE fits.yes
            )
            SELECT status, age_ms FROM fits, move_order($1, $8, CASE WHEN fits.yes THEN $9::text[] END) WHERE fits.yes",
        )
        .await?;
    let (products, quantities): (Vec<&str>, Vec<i64>) = units.iter().unzip();
    let asked: Vec<&str> = request.items.iter().map(|item| item.product_id.as_str()).collect();
    let prices: Vec<i64> = request.items.iter().map(|item| item.unit_price_minor).collect();
    let (order_id, pending) = (request.order_id.to_string(), OrderStatus::Pending.as_str());
    let row = client
        .query_opt(
            &take,
            &[
                &order_id,
                &products,
                &quantities,
                &asked,
                &prices,
                &request.currency.code(),
                &pending,
                &to.as_str(),
                &to.predecessors(),
                &millis(held_for),
            ],
        )
        .await?;
    row.as_ref().map(Move::read).transpose()
}

/// The order's status, locked until the transaction ends, and why nothing is reserved now, if that is so.
async fn lock(transaction: &Transaction<'_>, order_id: OrderId) -> anyhow::Result<(OrderStatus, Option<String>)> {
    let lock =
        transaction.prepare_cached("SELECT status, (SELECT reason FROM maintenance) FROM orders WHERE id = $1 FOR NO KEY UPDATE").await?;
    let row = transaction.query_opt(&lock, &[&order_id.to_string()]).await?.context("the order is not on record")?;
    Ok((row.try_get::<_, &str>(0)?.parse()?, row.try_get(1)?))
}

/// Moves an order to RESERVED after somebody's decision. Only from here on can its reservation expire.
pub(crate) async fn go_on(transaction: &Transaction<'_>, order_id: OrderId, held_for: Duration) -> anyhow::Result<Move> {
    let renew = transaction
        .prepare_cached(
            "UPDATE reservations SET expires_at = now() + $2::bigint * interval '1 millisecond' WHERE order_id = $1 AND state = 'HELD'",
        )
        .await?;
    transaction.execute(&renew, &[&order_id.to_string(), &millis(held_for)]).await?;
    order::advance(transaction, order_id, OrderStatus::Reserved, None).await
}

/// Gives back what an order holds; nothing when it holds nothing.
pub(crate) async fn release(transaction: &Transaction<'_>, order_id: OrderId) -> anyhow::Result<()> {
    give_back(transaction, order_id, "RELEASED", "true").await?;
    Ok(())
}

/// Ends those of an order's reservations `r` that meet a condition, and puts their units back; answers how many products came back.
async fn give_back(transaction: &Transaction<'_>, order_id: OrderId, state: &str, condition: &str) -> anyhow::Result<u64> {
    let lock = transaction
        .prepare_cached(
            "SELECT FROM products WHERE id IN (SELECT product_id FROM reservations WHERE order_id = $1 AND state = 'HELD') ORDER BY id FOR NO KEY UPDATE",
        )
        .await?;
    transaction.query(&lock, &[&order_id.to_string()]).await?;
    let release = transaction
        .prepare_cached(&format!(
            "WITH released AS (
                UPDATE reservations r SET state = $2 WHERE order_id = $1 AND state = 'HELD' AND {condition}
                RETURNING product_id, quantity - returned AS quantity
            )
            UPDATE products p SET stock = p.stock + r.quantity, reserved = p.reserved - r.quantity FROM released r WHERE p.id = r.product_id"
        ))
        .await?;
    Ok(transaction.execute(&release, &[&order_id.to_string(), &state]).await?)
}

/// As Postgres takes it.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Units wanted of each product, lines of the same product together.
fn by_product(items: &[LineItem]) -> BTreeMap<&str, i64> {
    let mut wanted = BTreeMap::new();
    for item in items {
        *wanted.entry(item.product_id.as_str()).or_default() += i64::from(item.quantity);
    }
    wanted
}

/// What there is of what is wanted.
struct Stock<'a> {
    /// Units of each product, in the order of their ids.
    available: BTreeMap<&'a str, i64>,
    /// Products of which there is less than wanted.
    short: usize,
}

impl Stock<'_> {
    fn is_short(&self) -> bool {
        self.short > 0
    }
}

/// Holds the request against the locked rows of the catalogue (id, name, price, currency, stock).
fn check<'a>(request: &ReservationRequest, wanted: &BTreeMap<&'a str, i64>, catalogue: &[Row]) -> Result<Stock<'a>, Error> {
    let mut products = BTreeMap::new();
    for row in catalogue {
        products.insert(row.try_get::<_, &str>(0)?, row);
    }
    for item in &request.items {
        let Some(row) = products.get(item.product_id.as_str()) else {
            return Err(Error::UnknownProduct(item.product_id.clone()));
        };
        let (product, price_minor): (String, i64) = (row.try_get(1)?, row.try_get(2)?);
        let currency = currency(row.try_get(3)?)?;
        if currency != request.currency {
            return Err(Error::WrongCurrency { product, currency });
        }
        if price_minor != item.unit_price_minor {
            let price = Money { minor: price_minor, currency };
            return Err(Error::WrongPrice { product, price, currency, asked: Money { minor: item.unit_price_minor, currency } });
        }
    }
    let mut stock = Stock { available: BTreeMap::new(), short: 0 };
    let mut missing = None;
    for (id, quantity) in wanted {
        let row = products[id];
        let available = row.try_get::<_, i64>(4)?.min(*quantity);
        if available < *quantity {
            stock.short += 1;
            missing.get_or_insert(row);
        }
        stock.available.insert(id, available);
    }
    match missing {
        Some(row) if stock.short == wanted.len() => Err(Error::OutOfStock(row.try_get(1)?)),
        _ => Ok(stock),
    }
}

/// The currency of a code that stands in our own tables.
pub(crate) fn currency(code: &str) -> anyhow::Result<Currency> {
    Currency::from_code(code).ok_or_else(|| anyhow::anyhow!("unknown currency {code:?} in the database"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_product_are_wanted_together_and_in_one_order() {
        let line = |id: &str, quantity| LineItem { product_id: id.to_owned(), quantity, unit_price_minor: 1 };
        let items = [line("b", 2), line("a", 1), line("b", i32::MAX)];
        let wanted: Vec<_> = by_product(&items).into_iter().collect();
        assert_eq!(wanted, [("a", 1), ("b", 2 + i64::from(i32::MAX))]);
    }

    #[test]
    fn refusals_are_told_apart_and_read_well() {
        let money = |minor| Money { minor, currency: Currency::USD };
        let price = Error::WrongPrice { product: "Lamp".to_owned(), price: money(1999), currency: Currency::USD, asked: money(1) };
        assert_eq!(price.to_string(), "the price of Lamp is 19.99 USD, not 0.01");
        assert_eq!(price.refusal(), Some(Refusal::InvalidOrder));
        assert_eq!(Error::OutOfStock("Lamp".to_owned()).refusal(), Some(Refusal::OutOfStock));
        assert_eq!(Error::Database(anyhow::anyhow!("connection lost")).refusal(), None);
    }
}
