//! Stock: reserving an order's lines, and releasing them.
//!
//! Of an order that has at least one product in full, a part is offered and reserved, and the customer is asked whether to go on with that. An
//! order that has none in full is out of stock: there is nothing in it that the customer asked for.
//!
//! Locks are always taken in the same order, first the order's row, then its customer, then the products by id, so that two orders never wait for
//! each other in a circle. No statement comes to one product's row twice (migrations/functions/reserve_order.sql says why). `products.stock` has a CHECK that it cannot go
//! below zero, whatever this code does.

mod amendment;
mod approval;
pub(crate) mod expiry;
mod offer;

use crate::{
    order::{self, Move},
    reason::NO_SUCH_PRODUCT,
    risk::{self, Limits},
    sql::Client,
    sql::inventory::{self as sql, Product},
};
pub(crate) use amendment::amend;
use anyhow::Context;
pub(crate) use approval::approve;
use deadpool_postgres::{Object, Transaction};
use orders::{
    Currency, Money, OrderId, OrderStatus,
    activities::{LineItem, Refusal, ReservationRequest},
};
use std::{collections::BTreeMap, time::Duration};
use tokio_postgres::error::SqlState;

/// `reserve_order` found that a product is gone which was there a moment before.
const NO_LONGER_IN_STOCK: &str = "OF001";

/// For each order of a customer that may be unpaid, so many may wait for those that are.
const WAITING: i64 = 10;

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
    /// The customer's other orders hold as much as they may.
    #[error("too many of your orders are not paid yet: pay or cancel them, then order again")]
    TooMuchUnpaid {
        /// The order has waited long enough for the others to be paid, or to give back what they hold; or too many wait for that already.
        is_final: bool,
    },
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
            Self::OutOfStock(_) | Self::TooMuchUnpaid { is_final: true } => Some(Refusal::OutOfStock),
            Self::TooMuchUnpaid { is_final: false } | Self::Maintenance(_) | Self::Database(_) => None,
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
    /// How many orders of a customer may be unpaid at once.
    pub(crate) max_orders: i64,
    /// How many units these may hold together.
    pub(crate) max_units: i64,
}

/// A customer's other orders that are not paid.
#[derive(Clone, Copy, Debug)]
struct Unpaid {
    orders: i64,
    /// Units that they hold.
    units: i64,
    /// One of them waits for the customer.
    waiting: bool,
}

impl Unpaid {
    /// Counts them under the customer's lock, until the transaction ends.
    async fn count(transaction: &Transaction<'_>, order_id: OrderId, customer_id: &str) -> anyhow::Result<Self> {
        let sql::UnpaidOrders { orders, units, waiting } =
            sql::count_unpaid_orders(transaction, &order_id.to_string(), customer_id).await?;
        Ok(Self { orders, units, waiting })
    }

    /// Whether one order more may be unpaid, and hold so many units.
    fn leaves_room(self, units: i64, terms: &Terms) -> bool {
        self.orders < terms.max_orders && self.units.saturating_add(units) <= terms.max_units
    }

    /// Whether the part of an order that its customer is offered may be held. One order at a time has that: who keeps the shop waiting keeps little.
    fn leaves_room_for_offer(self, units: i64, terms: &Terms) -> bool {
        !self.waiting && self.leaves_room(units, terms)
    }
}

/// Reserves an order's lines and moves it to RESERVED; to IN_REVIEW, with nothing held, when it is beyond the customer's limits; to ACTION_REQUIRED
/// when there is only a part of it, of which some is reserved. An order that is not PENDING any more stays as it is. `waited` is how long this has
/// been tried.
pub(crate) async fn reserve(client: &mut Object, request: &ReservationRequest, waited: Duration, terms: &Terms) -> Result<Move, Error> {
    let wanted = by_product(&request.items);
    // Most orders can have what they want, which one statement finds out and does. Why one cannot is found out at leisure.
    if terms.limits.is_empty()
        && let Some(step) = reserve_all(&*client, request, &wanted, terms).await?
    {
        return Ok(step);
    }
    let transaction = client.transaction().await?;
    let step = reserve_or_say_why(&transaction, request, &wanted, waited, terms).await?;
    transaction.commit().await?;
    Ok(step)
}

/// Under locks, so that what is found out of the customer, the catalogue and the stock still holds when it is acted on.
async fn reserve_or_say_why(
    transaction: &Transaction<'_>,
    request: &ReservationRequest,
    wanted: &BTreeMap<&str, i64>,
    waited: Duration,
    terms: &Terms,
) -> Result<Move, Error> {
    let order_id = request.order_id;
    let (status, customer_id, maintenance) = lock(transaction, order_id).await?;
    if status != OrderStatus::Pending {
        return Ok(Move::none(status));
    }
    if let Some(reason) = maintenance {
        return Err(Error::Maintenance(reason));
    }
    let unpaid = Unpaid::count(transaction, order_id, &customer_id).await?;
    let units: i64 = wanted.values().sum();
    let concern = match risk::concern(transaction, order_id, &terms.limits).await? {
        None if units > terms.max_units => Some(format!("{units} units in one order; the limit is {}", terms.max_units)),
        concern => concern,
    };
    let catalogue = lock_products(transaction, wanted).await?;
    check(request, &catalogue)?;
    // An order that is too large is reviewed whatever the stock is. Otherwise the answer would say
    // whether there are so many units, and a few orders that hold nothing would find the exact stock.
    let stock = if units > terms.max_units { None } else { Some(Stock::of(wanted, &catalogue)?) };
    if unpaid.orders >= terms.max_orders {
        return Err(too_much_unpaid(transaction, order_id, waited, terms).await?);
    }
    if let Some(stock) = stock.filter(Stock::is_short) {
        let lines = request.items.iter().zip(1..).map(|(item, line)| (line, item.product_id.as_str(), item.quantity));
        let has_dropped = has_dropped_offer(transaction, order_id, &customer_id, terms).await?;
        let may_hold = |units| concern.is_none() && !has_dropped && unpaid.leaves_room_for_offer(units, terms);
        amendment::offer(transaction, order_id, lines, stock, terms, may_hold).await?;
        return Ok(order::advance(transaction, order_id, OrderStatus::ActionRequired, None).await?);
    }
    if let Some(concern) = concern {
        risk::ask(transaction, order_id, &concern).await?;
        return Ok(order::advance(transaction, order_id, OrderStatus::InReview, None).await?);
    }
    if !unpaid.leaves_room(units, terms) {
        return Err(too_much_unpaid(transaction, order_id, waited, terms).await?);
    }
    hold(transaction, order_id, wanted, terms.held_for).await?;
    Ok(order::advance(transaction, order_id, OrderStatus::Reserved, None).await?)
}

/// Whether the customer has let an offer go not long ago. Were the next one held, anybody could hold a product for ever, one offer after the other.
async fn has_dropped_offer(transaction: &Transaction<'_>, order_id: OrderId, customer_id: &str, terms: &Terms) -> anyhow::Result<bool> {
    let within_ms = millis(terms.decision_timeout);
    Ok(sql::has_dropped_offer(transaction, customer_id, &order_id.to_string(), within_ms).await?.has_dropped)
}

/// An order may wait until the customer's others are paid, but not for ever, and only so many may: each asks again and again. Those that were accepted
/// first wait.
async fn too_much_unpaid(transaction: &Transaction<'_>, order_id: OrderId, waited: Duration, terms: &Terms) -> anyhow::Result<Error> {
    if waited >= terms.held_for {
        return Ok(Error::TooMuchUnpaid { is_final: true });
    }
    let most = terms.max_orders.saturating_mul(WAITING);
    let earlier = sql::count_waiting_orders(transaction, &order_id.to_string(), millis(terms.held_for), most).await?.orders;
    Ok(Error::TooMuchUnpaid { is_final: earlier >= most })
}

/// Reserves the whole of a PENDING order and moves it to RESERVED; or does nothing, when anything at all is in the way.
async fn reserve_all(
    client: &dyn Client,
    request: &ReservationRequest,
    wanted: &BTreeMap<&str, i64>,
    terms: &Terms,
) -> anyhow::Result<Option<Move>> {
    let mut prices = BTreeMap::new();
    for item in &request.items {
        if *prices.entry(item.product_id.as_str()).or_insert(item.unit_price_minor) != item.unit_price_minor {
            return Ok(None);
        }
    }
    let (products, quantities): (Vec<&str>, Vec<i64>) = wanted.iter().unzip();
    let (prices, to): (Vec<i64>, _) = (prices.into_values().collect(), OrderStatus::Reserved);
    let reservation = sql::Reservation {
        order_id: &request.order_id.to_string(),
        to: to.as_str(),
        predecessors: &to.predecessors(),
        products: &products,
        quantities: &quantities,
        prices_minor: &prices,
        currency: request.currency.code(),
        held_ms: millis(terms.held_for),
        max_orders: terms.max_orders,
        max_units: terms.max_units,
    };
    match sql::reserve_order(client, reservation).await {
        Ok(moved) => moved.as_ref().map(Move::of).transpose(),
        Err(error) if error.code().map(SqlState::code) == Some(NO_LONGER_IN_STOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Takes units of products whose rows are locked, and of which there are enough, for an order that holds none of them.
async fn hold(transaction: &Transaction<'_>, order_id: OrderId, units: &BTreeMap<&str, i64>, held_for: Duration) -> anyhow::Result<()> {
    let (products, quantities): (Vec<&str>, Vec<i64>) = units.iter().unzip();
    sql::hold_units(transaction, &order_id.to_string(), &products, &quantities, millis(held_for)).await?;
    Ok(())
}

/// The order's status, locked until the transaction ends, its customer, and why nothing is reserved now, if that is so.
async fn lock(transaction: &Transaction<'_>, order_id: OrderId) -> anyhow::Result<(OrderStatus, String, Option<String>)> {
    let locked = sql::lock_order(transaction, &order_id.to_string()).await?.context("the order is not on record")?;
    Ok((locked.status.parse()?, locked.customer_id, locked.maintenance))
}

/// The products' rows, locked until the transaction ends.
async fn lock_products(transaction: &Transaction<'_>, wanted: &BTreeMap<&str, i64>) -> anyhow::Result<Vec<Product>> {
    Ok(sql::lock_products(transaction, &wanted.keys().copied().collect::<Vec<_>>()).await?)
}

/// A line of an order on record: its number, its product and its units.
type Line = (i32, String, i32);

/// The lines of an order of which there is still anything to send.
async fn lines(transaction: &Transaction<'_>, order_id: OrderId) -> anyhow::Result<Vec<Line>> {
    let lines = sql::lines_to_send(transaction, &order_id.to_string()).await?;
    Ok(lines.into_iter().map(|sql::Line { line, product_id, quantity }| (line, product_id, quantity)).collect())
}

/// Lines as an offer takes them.
fn numbered(lines: &[Line]) -> impl Iterator<Item = (i32, &str, i32)> {
    lines.iter().map(|(line, product_id, quantity)| (*line, product_id.as_str(), *quantity))
}

/// Units of each product on lines.
fn on_lines<'a>(lines: impl IntoIterator<Item = (&'a str, i32)>) -> BTreeMap<&'a str, i64> {
    let mut units = BTreeMap::new();
    for (product_id, quantity) in lines {
        *units.entry(product_id).or_default() += i64::from(quantity);
    }
    units
}

/// Whether an order holds exactly these units.
async fn holds(transaction: &Transaction<'_>, order_id: OrderId, units: &BTreeMap<&str, i64>) -> anyhow::Result<bool> {
    let held = sql::held_units(transaction, &order_id.to_string()).await?;
    let held: BTreeMap<&str, i64> = held.iter().map(|held| (held.product_id.as_str(), held.quantity)).collect();
    Ok(units.iter().filter(|(_, units)| **units > 0).eq(held.iter()))
}

/// Moves an order whose stock is held to RESERVED after somebody's decision, and holds it for the time to pay.
pub(crate) async fn go_on(transaction: &Transaction<'_>, order_id: OrderId, held_for: Duration) -> anyhow::Result<Move> {
    sql::renew_reservations(transaction, &order_id.to_string(), millis(held_for)).await?;
    order::advance(transaction, order_id, OrderStatus::Reserved, None).await
}

/// Gives back what an order holds; nothing when it holds nothing.
pub(crate) async fn release(transaction: &Transaction<'_>, order_id: OrderId) -> anyhow::Result<()> {
    sql::lock_held_products(transaction, &order_id.to_string()).await?;
    sql::release_reservations(transaction, &order_id.to_string()).await?;
    Ok(())
}

/// As Postgres takes it.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Units wanted of each product, lines of the same product together.
fn by_product(items: &[LineItem]) -> BTreeMap<&str, i64> {
    on_lines(items.iter().map(|item| (item.product_id.as_str(), item.quantity)))
}

/// What there is of what is wanted.
struct Stock<'a> {
    /// Units of each product, in the order of their ids; once they are offered, what is offered.
    available: BTreeMap<&'a str, i64>,
    /// The products of which there is less than wanted, with what is left of them.
    short: BTreeMap<&'a str, i64>,
}

impl<'a> Stock<'a> {
    /// Takes it from the locked rows of the catalogue. An error when there is no product in full.
    fn of(wanted: &BTreeMap<&'a str, i64>, catalogue: &[Product]) -> Result<Self, Error> {
        let mut stock = Self { available: BTreeMap::new(), short: BTreeMap::new() };
        let mut missing = None;
        for (id, quantity) in wanted {
            let product = catalogue.iter().find(|product| product.id == *id);
            let left = product.map_or(0, |product| product.stock);
            if left < *quantity {
                stock.short.insert(id, left);
                missing = missing.or(Some(product.map_or(*id, |product| product.name.as_str())));
            }
            stock.available.insert(id, left.min(*quantity));
        }
        match missing {
            Some(name) if stock.short.len() == wanted.len() => Err(Error::OutOfStock(name.to_owned())),
            _ => Ok(stock),
        }
    }

    fn is_short(&self) -> bool {
        !self.short.is_empty()
    }

    fn units(&self) -> i64 {
        self.available.values().sum()
    }

    /// Makes of what there is what the customer is offered.
    fn offer(&mut self, max_units: i64) {
        for (id, left) in &self.short {
            self.available.insert(id, offer::of(*left, max_units));
        }
    }
}

/// Holds the request against the catalogue.
fn check(request: &ReservationRequest, catalogue: &[Product]) -> Result<(), Error> {
    for item in &request.items {
        let Some(Product { name, price_minor, currency: code, .. }) = catalogue.iter().find(|product| product.id == item.product_id) else {
            return Err(Error::UnknownProduct(item.product_id.clone()));
        };
        let (product, currency) = (name.clone(), currency(code)?);
        if currency != request.currency {
            return Err(Error::WrongCurrency { product, currency });
        }
        if *price_minor != item.unit_price_minor {
            let price = Money { minor: *price_minor, currency };
            return Err(Error::WrongPrice { product, price, currency, asked: Money { minor: item.unit_price_minor, currency } });
        }
    }
    Ok(())
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
        assert_eq!(Error::TooMuchUnpaid { is_final: false }.refusal(), None, "the others may be paid in a moment");
        assert_eq!(Error::TooMuchUnpaid { is_final: true }.refusal(), Some(Refusal::OutOfStock));
    }
    #[test]
    fn a_customer_holds_so_much_and_one_offer_at_a_time() {
        let limits = Limits { spend: BTreeMap::new(), orders: None, window: Duration::ZERO };
        let terms = Terms { held_for: Duration::ZERO, decision_timeout: Duration::ZERO, limits, max_orders: 3, max_units: 10 };
        let unpaid = |orders, units, waiting| Unpaid { orders, units, waiting };
        assert!(unpaid(2, 4, true).leaves_room(6, &terms) && !unpaid(2, 4, false).leaves_room(7, &terms));
        assert!(!unpaid(3, 0, false).leaves_room(1, &terms) && !unpaid(0, i64::MAX, false).leaves_room(1, &terms));
        assert!(unpaid(2, 4, false).leaves_room_for_offer(6, &terms) && !unpaid(2, 4, true).leaves_room_for_offer(6, &terms));
    }
}
