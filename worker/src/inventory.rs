//! Stock: reserves the units of an order's line items, and releases them.
//!
//! If an order has at least one product in full, but not all, the customer gets an offer: a part of
//! the order that can be delivered. The offer is reserved if the limits allow it, and the customer
//! decides whether to take it. If the order has no product in full, it is out of stock: nothing of
//! it is available as the customer asked for it.
//!
//! All transactions take their locks in the same order: first the order's row, then its customer,
//! then the products by id. So two orders never deadlock. No statement touches one product's row
//! twice; migrations/functions/reserve_order.sql gives the reason. A CHECK keeps `products.stock`
//! from falling below zero, whatever this code does.

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

/// The SQLSTATE with which `reserve_order` reports that a product is out of stock that was
/// available a moment before.
const NO_LONGER_IN_STOCK: &str = "OF001";

/// How many orders of a customer may wait for the unpaid ones, as a multiple of
/// [`Terms::max_orders`].
const WAITING: i64 = 10;

/// Why an order's stock could not be reserved. The customer reads the messages.
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
    /// The customer's other unpaid orders have reached a limit.
    #[error("too many of your orders are not paid yet: pay or cancel them, then order again")]
    TooMuchUnpaid {
        /// True if the order has waited long enough for the other orders to be paid or to expire,
        /// or if too many orders wait already.
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
    /// The refusal that Temporal and the workflow get; `None` if another attempt may succeed.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::UnknownProduct(_) | Self::WrongPrice { .. } | Self::WrongCurrency { .. } => Some(Refusal::InvalidOrder),
            Self::OutOfStock(_) | Self::TooMuchUnpaid { is_final: true } => Some(Refusal::OutOfStock),
            Self::TooMuchUnpaid { is_final: false } | Self::Maintenance(_) | Self::Database(_) => None,
        }
    }
}

/// The reservation policy.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// How long stock is held for an unpaid order.
    pub(crate) held_for: Duration,
    /// How long an order waits for a decision of its customer or of the shop.
    pub(crate) decision_timeout: Duration,
    /// What a customer may order before the shop must review an order.
    pub(crate) limits: Limits,
    /// The maximum number of unpaid orders of one customer.
    pub(crate) max_orders: i64,
    /// The maximum number of units that one customer's unpaid orders hold together.
    pub(crate) max_units: i64,
}

/// The customer's other unpaid orders.
#[derive(Clone, Copy, Debug)]
struct Unpaid {
    orders: i64,
    /// The units that these orders hold.
    units: i64,
    /// Whether one of these orders waits for the customer's decision.
    waiting: bool,
}

impl Unpaid {
    /// Counts the orders, and locks the customer until the transaction ends.
    async fn count(transaction: &Transaction<'_>, order_id: OrderId, customer_id: &str) -> anyhow::Result<Self> {
        let sql::UnpaidOrders { orders, units, waiting } =
            sql::count_unpaid_orders(transaction, &order_id.to_string(), customer_id).await?;
        Ok(Self { orders, units, waiting })
    }

    /// Whether the policy allows one more unpaid order that holds this many units.
    fn leaves_room(self, units: i64, terms: &Terms) -> bool {
        self.orders < terms.max_orders && self.units.saturating_add(units) <= terms.max_units
    }

    /// Whether the units that a customer is offered may be held. Only one order of a customer holds
    /// an offer at a time. So a customer who does not decide blocks little stock.
    fn leaves_room_for_offer(self, units: i64, terms: &Terms) -> bool {
        !self.waiting && self.leaves_room(units, terms)
    }
}

/// Reserves an order's line items. The order moves to one of these statuses:
///
/// - RESERVED, if everything is reserved.
/// - IN_REVIEW, if the order exceeds the customer's limits. It then holds nothing.
/// - ACTION_REQUIRED, if only a part is available. The offered units are held if the limits allow
///   it.
///
/// An order that is no longer PENDING does not change. `waited` is the time since the first
/// attempt.
pub(crate) async fn reserve(client: &mut Object, request: &ReservationRequest, waited: Duration, terms: &Terms) -> Result<Move, Error> {
    let wanted = by_product(&request.items);
    // Most orders can be reserved in full. One statement checks that and reserves them. If it
    // cannot, the statements below find out why; they may take longer.
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

/// Reserves an order, or finds the reason why that is impossible. It takes locks, so that the facts
/// about the customer, the catalogue and the stock do not change before it acts on them.
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
    // An order that is too large is reviewed whatever the stock is. Otherwise the answer would
    // reveal whether the stock has that many units. A few orders that hold nothing would then find
    // the exact stock.
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

/// Whether another order of the customer recently got an offer and then failed or was cancelled. If
/// the next offer were held, a customer could hold a product forever with one offer after another.
/// That order counts if it was accepted within the last `decision_timeout`.
async fn has_dropped_offer(transaction: &Transaction<'_>, order_id: OrderId, customer_id: &str, terms: &Terms) -> anyhow::Result<bool> {
    let within_ms = millis(terms.decision_timeout);
    Ok(sql::has_dropped_offer(transaction, customer_id, &order_id.to_string(), within_ms).await?.has_dropped)
}

/// The error of an order that must wait until the customer's other orders are paid. It is final if
/// the order has waited for `held_for`, or if too many earlier orders wait already: each waiting
/// order causes repeated attempts. So the orders that were accepted first keep waiting.
async fn too_much_unpaid(transaction: &Transaction<'_>, order_id: OrderId, waited: Duration, terms: &Terms) -> anyhow::Result<Error> {
    if waited >= terms.held_for {
        return Ok(Error::TooMuchUnpaid { is_final: true });
    }
    let most = terms.max_orders.saturating_mul(WAITING);
    let earlier = sql::count_waiting_orders(transaction, &order_id.to_string(), millis(terms.held_for), most).await?.orders;
    Ok(Error::TooMuchUnpaid { is_final: earlier >= most })
}

/// Reserves a whole PENDING order and moves it to RESERVED. Returns `None` and changes nothing if
/// that is impossible for any reason.
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

/// Moves units from stock to an order's reservations. The products' rows must be locked and have
/// enough units, and the order must not hold units of these products.
async fn hold(transaction: &Transaction<'_>, order_id: OrderId, units: &BTreeMap<&str, i64>, held_for: Duration) -> anyhow::Result<()> {
    let (products, quantities): (Vec<&str>, Vec<i64>) = units.iter().unzip();
    sql::hold_units(transaction, &order_id.to_string(), &products, &quantities, millis(held_for)).await?;
    Ok(())
}

/// Locks an order until the transaction ends. Returns its status, its customer, and the reason of
/// the maintenance if that is on.
async fn lock(transaction: &Transaction<'_>, order_id: OrderId) -> anyhow::Result<(OrderStatus, String, Option<String>)> {
    let locked = sql::lock_order(transaction, &order_id.to_string()).await?.context("the order is not on record")?;
    Ok((locked.status.parse()?, locked.customer_id, locked.maintenance))
}

/// Locks the products' rows until the transaction ends, and returns them.
async fn lock_products(transaction: &Transaction<'_>, wanted: &BTreeMap<&str, i64>) -> anyhow::Result<Vec<Product>> {
    Ok(sql::lock_products(transaction, &wanted.keys().copied().collect::<Vec<_>>()).await?)
}

/// A line item on record: its number, its product and its units.
type Line = (i32, String, i32);

/// The line items of an order that have units left to send.
async fn lines(transaction: &Transaction<'_>, order_id: OrderId) -> anyhow::Result<Vec<Line>> {
    let lines = sql::lines_to_send(transaction, &order_id.to_string()).await?;
    Ok(lines.into_iter().map(|sql::Line { line, product_id, quantity }| (line, product_id, quantity)).collect())
}

/// Line items in the form that `amendment::offer` takes.
fn numbered(lines: &[Line]) -> impl Iterator<Item = (i32, &str, i32)> {
    lines.iter().map(|(line, product_id, quantity)| (*line, product_id.as_str(), *quantity))
}

/// The units of each product, as the sum over the line items.
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

/// Moves an order to RESERVED after a decision. Its stock is already held. The reservations are
/// renewed for `held_for`, so that the customer has time to pay.
pub(crate) async fn go_on(transaction: &Transaction<'_>, order_id: OrderId, held_for: Duration) -> anyhow::Result<Move> {
    sql::renew_reservations(transaction, &order_id.to_string(), millis(held_for)).await?;
    order::advance(transaction, order_id, OrderStatus::Reserved, None).await
}

/// Releases everything that an order holds. Does nothing if the order holds nothing.
pub(crate) async fn release(transaction: &Transaction<'_>, order_id: OrderId) -> anyhow::Result<()> {
    sql::lock_held_products(transaction, &order_id.to_string()).await?;
    sql::release_reservations(transaction, &order_id.to_string()).await?;
    Ok(())
}

/// The duration in milliseconds, as the SQL statements take it.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The units that are wanted of each product, as the sum over the line items.
fn by_product(items: &[LineItem]) -> BTreeMap<&str, i64> {
    on_lines(items.iter().map(|item| (item.product_id.as_str(), item.quantity)))
}

/// The stock that is available for an order.
struct Stock<'a> {
    /// The available units of each product, at most as many as are wanted. After [`Stock::offer`],
    /// these are the offered units. The map is sorted by product id.
    available: BTreeMap<&'a str, i64>,
    /// The products with less stock than is wanted, and their stock.
    short: BTreeMap<&'a str, i64>,
}

impl<'a> Stock<'a> {
    /// Computes it from the locked rows of the catalogue. Fails with [`Error::OutOfStock`] if no
    /// product is available in full.
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

    /// Replaces the available units of the short products by the units that the customer is
    /// offered.
    fn offer(&mut self, max_units: i64) {
        for (id, left) in &self.short {
            self.available.insert(id, offer::of(*left, max_units));
        }
    }
}

/// Checks the request's products, prices and currency against the catalogue.
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

/// Parses a currency code from the database.
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
