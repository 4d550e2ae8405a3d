//! Stock: reserves the units of an order's line items, and releases them.
//!
//! If at least one product of an order is available in full, but not all of them are, the customer
//! gets an offer: a part of the order that can be delivered. The offer is reserved if the limits
//! allow it, and the customer decides whether to take it. If no product is available in full, the
//! order is refused as out of stock.
//!
//! All transactions take their locks in the same order: first the order's row, then its customer,
//! then the products by id. So two orders never deadlock. No statement touches one product's row
//! twice; migrations/functions/reserve_order.sql gives the reason. A CHECK keeps `products.stock`
//! from falling below zero, whatever this code does.

mod amendment;
mod approval;
pub(crate) mod expiry;
mod offer;
pub mod restock;

use crate::{
    config,
    db::millis,
    order::reason::NO_SUCH_PRODUCT,
    order::risk::{self, Limits},
    order::{self, TransitionResult, parse_currency},
    sql::Client,
    sql::stock::{self as sql, Product},
};
pub(crate) use amendment::amend;
use anyhow::Context;
pub(crate) use approval::reserve_approved;
use deadpool_postgres::{Object, Transaction};
use orders::{
    Currency, Money, OrderId, OrderStatus,
    activities::{Refusal, ReservationRequest},
    order::LineItem,
};
use std::{collections::BTreeMap, time::Duration};
use tokio_postgres::error::SqlState;

/// The SQLSTATE of the error that `reserve_order` raises if it has reserved a product and then
/// cannot reserve another one. The error undoes the reservation.
const NO_LONGER_IN_STOCK: &str = "OF001";

/// How many orders of a customer may wait for the unpaid ones, as a multiple of
/// [`ReservationPolicy::max_orders`].
const WAITING_PER_UNPAID_ORDER: i64 = 10;

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
    TooManyUnpaidOrders {
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
            Self::OutOfStock(_) | Self::TooManyUnpaidOrders { is_final: true } => Some(Refusal::OutOfStock),
            Self::TooManyUnpaidOrders { is_final: false } | Self::Maintenance(_) | Self::Database(_) => None,
        }
    }
}

/// The reservation policy.
#[derive(Clone, Debug)]
pub(crate) struct ReservationPolicy {
    /// How long stock is held for an unpaid order.
    pub(crate) held_for: Duration,
    /// How long an order waits for a decision of its customer or of the shop.
    pub(crate) decision_timeout: Duration,
    /// The limits on a customer's orders. The shop must review an order that exceeds one of them.
    pub(crate) limits: Limits,
    /// The maximum number of unpaid orders of one customer.
    pub(crate) max_orders: i64,
    /// The maximum number of units that one customer's unpaid orders hold together.
    pub(crate) max_units: i64,
}

impl ReservationPolicy {
    /// The policy that the worker's settings describe.
    pub(crate) fn new(settings: &config::Run) -> Self {
        let risk = &settings.risk;
        let spend = risk.risk_spend_limits.iter().map(|limit| (limit.currency.code(), limit.minor)).collect();
        let limits = Limits { spend, orders: risk.risk_order_limit, window: risk.risk_window };
        let (max_orders, max_units) = (settings.hold_max_orders, settings.hold_max_units);
        Self { held_for: settings.reservation_ttl, decision_timeout: settings.decision_timeout, limits, max_orders, max_units }
    }
}

/// The other unpaid orders of an order's customer.
#[derive(Debug)]
struct UnpaidOrders {
    order_id: OrderId,
    customer_id: String,
    orders: i64,
    /// The units that these orders hold.
    units: i64,
    /// Whether one of these orders waits for the customer's decision.
    awaits_decision: bool,
}

impl UnpaidOrders {
    /// Counts the orders, and locks the customer until the transaction ends.
    async fn count(transaction: &Transaction<'_>, order_id: OrderId, customer_id: &str) -> anyhow::Result<Self> {
        let sql::UnpaidOrders { orders, units, waiting } =
            sql::count_unpaid_orders(transaction, &order_id.to_string(), customer_id).await?;
        Ok(Self { order_id, customer_id: customer_id.to_owned(), orders, units, awaits_decision: waiting })
    }

    /// Whether the policy allows one more unpaid order that holds this many units.
    fn leaves_room(&self, units: i64, policy: &ReservationPolicy) -> bool {
        self.orders < policy.max_orders && self.units.saturating_add(units) <= policy.max_units
    }

    /// Whether the units that a customer is offered may be held. Only one order of a customer holds
    /// an offer at a time. So a customer who does not decide blocks little stock.
    fn leaves_room_for_offer(&self, units: i64, policy: &ReservationPolicy) -> bool {
        !self.awaits_decision && self.leaves_room(units, policy)
    }

    /// Whether another order of the customer recently got an offer and then failed or was
    /// cancelled. If the next offer were held, a customer could hold a product forever with one
    /// offer after another. That order counts if it was accepted within the last
    /// `decision_timeout`.
    async fn has_recent_unaccepted_offer(&self, transaction: &Transaction<'_>, policy: &ReservationPolicy) -> anyhow::Result<bool> {
        let (customer_id, order_id) = (&self.customer_id, self.order_id.to_string());
        let found = sql::has_recent_unaccepted_offer(transaction, customer_id, &order_id, millis(policy.decision_timeout)).await?;
        Ok(found.has_recent_unaccepted_offer)
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
pub(crate) async fn reserve(
    client: &mut Object,
    request: &ReservationRequest,
    waited: Duration,
    policy: &ReservationPolicy,
) -> Result<TransitionResult, Error> {
    let wanted = wanted_units(&request.items);
    // Most orders can be reserved in full. One statement checks that and reserves them. If it
    // cannot, the statements below find out why; they may take longer.
    if policy.limits.is_empty()
        && let Some(step) = reserve_in_full(&*client, request, &wanted, policy).await?
    {
        return Ok(step);
    }
    let transaction = client.transaction().await?;
    let step = reserve_or_explain(&transaction, request, &wanted, waited, policy).await?;
    transaction.commit().await?;
    Ok(step)
}

/// Reserves an order, or finds the reason why that is impossible. It takes locks, so that the facts
/// about the customer, the catalogue and the stock do not change before it acts on them.
async fn reserve_or_explain(
    transaction: &Transaction<'_>,
    request: &ReservationRequest,
    wanted: &BTreeMap<&str, i64>,
    waited: Duration,
    policy: &ReservationPolicy,
) -> Result<TransitionResult, Error> {
    let order_id = request.order_id;
    let (status, customer_id, maintenance) = lock_order(transaction, order_id).await?;
    if status != OrderStatus::Pending {
        return Ok(TransitionResult::unchanged(status));
    }
    if let Some(reason) = maintenance {
        return Err(Error::Maintenance(reason));
    }
    let unpaid = UnpaidOrders::count(transaction, order_id, &customer_id).await?;
    let units: i64 = wanted.values().sum();
    let review_reason = match risk::review_reason(transaction, order_id, &policy.limits).await? {
        None if units > policy.max_units => Some(format!("{units} units in one order; the limit is {}", policy.max_units)),
        reason => reason,
    };
    let catalogue = lock_products(transaction, wanted).await?;
    check_against_catalogue(request, &catalogue)?;
    // An order that is too large is reviewed whatever the stock is. Otherwise the answer would
    // reveal whether the stock has that many units. A customer could then find the exact stock with
    // a few orders that hold nothing.
    let stock = if units > policy.max_units { None } else { Some(Stock::from_catalogue(wanted, &catalogue)?) };
    if unpaid.orders >= policy.max_orders {
        return Err(too_many_unpaid_orders(transaction, order_id, waited, policy).await?);
    }
    if let Some(stock) = stock.filter(Stock::is_short) {
        let lines = request.items.iter().zip(1..).map(|(item, line)| (line, item.product_id.as_str(), item.quantity));
        amendment::offer_part(transaction, order_id, &unpaid, lines, stock, policy, review_reason.is_none()).await?;
        return Ok(order::advance(transaction, order_id, OrderStatus::ActionRequired, None).await?);
    }
    if let Some(reason) = review_reason {
        risk::request_review(transaction, order_id, &reason).await?;
        return Ok(order::advance(transaction, order_id, OrderStatus::InReview, None).await?);
    }
    if !unpaid.leaves_room(units, policy) {
        return Err(too_many_unpaid_orders(transaction, order_id, waited, policy).await?);
    }
    hold_units(transaction, order_id, wanted, policy.held_for).await?;
    Ok(order::advance(transaction, order_id, OrderStatus::Reserved, None).await?)
}

/// The error of an order that must wait until the customer's other orders are paid. It is final if
/// the order has waited for `held_for`, or if too many earlier orders wait already. The number of
/// waiting orders is limited, because each of them causes repeated attempts. Only earlier orders
/// are counted, so the orders that were accepted first keep waiting.
async fn too_many_unpaid_orders(
    transaction: &Transaction<'_>,
    order_id: OrderId,
    waited: Duration,
    policy: &ReservationPolicy,
) -> anyhow::Result<Error> {
    if waited >= policy.held_for {
        return Ok(Error::TooManyUnpaidOrders { is_final: true });
    }
    let max_waiting = policy.max_orders.saturating_mul(WAITING_PER_UNPAID_ORDER);
    let earlier = sql::count_waiting_orders(transaction, &order_id.to_string(), millis(policy.held_for), max_waiting).await?.orders;
    Ok(Error::TooManyUnpaidOrders { is_final: earlier >= max_waiting })
}

/// Reserves a whole PENDING order and moves it to RESERVED. Returns `None` and changes nothing if
/// that is impossible for any reason.
async fn reserve_in_full(
    client: &dyn Client,
    request: &ReservationRequest,
    wanted: &BTreeMap<&str, i64>,
    policy: &ReservationPolicy,
) -> anyhow::Result<Option<TransitionResult>> {
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
        held_ms: millis(policy.held_for),
        max_orders: policy.max_orders,
        max_units: policy.max_units,
    };
    match sql::reserve_order(client, reservation).await {
        Ok(moved) => moved.as_ref().map(TransitionResult::from_row).transpose(),
        Err(error) if error.code().map(SqlState::code) == Some(NO_LONGER_IN_STOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Moves units from stock to an order's reservations. The products' rows must be locked and have
/// enough units, and the order must not hold units of these products.
async fn hold_units(
    transaction: &Transaction<'_>,
    order_id: OrderId,
    units: &BTreeMap<&str, i64>,
    held_for: Duration,
) -> anyhow::Result<()> {
    let (products, quantities): (Vec<&str>, Vec<i64>) = units.iter().unzip();
    sql::hold_units(transaction, &order_id.to_string(), &products, &quantities, millis(held_for)).await?;
    Ok(())
}

/// Locks an order until the transaction ends. Returns its status, its customer, and the reason of
/// the maintenance if that is on.
async fn lock_order(transaction: &Transaction<'_>, order_id: OrderId) -> anyhow::Result<(OrderStatus, String, Option<String>)> {
    let locked = sql::lock_order(transaction, &order_id.to_string()).await?.context("the order is not on record")?;
    Ok((locked.status.parse()?, locked.customer_id, locked.maintenance))
}

/// Locks the products' rows until the transaction ends, and returns them.
async fn lock_products(transaction: &Transaction<'_>, wanted: &BTreeMap<&str, i64>) -> anyhow::Result<Vec<Product>> {
    Ok(sql::lock_products(transaction, &wanted.keys().copied().collect::<Vec<_>>()).await?)
}

/// A line item on record: its number, its product and its units.
type Line = (i32, String, i32);

/// The line items of an order that have at least one unit. A line item has none if the customer
/// accepted an offer without it.
async fn open_line_items(transaction: &Transaction<'_>, order_id: OrderId) -> anyhow::Result<Vec<Line>> {
    let lines = sql::lines_with_units(transaction, &order_id.to_string()).await?;
    Ok(lines.into_iter().map(|sql::Line { line, product_id, quantity }| (line, product_id, quantity)).collect())
}

/// Line items in the form that `amendment::offer_part` takes.
fn as_offer_lines(lines: &[Line]) -> impl Iterator<Item = (i32, &str, i32)> {
    lines.iter().map(|(line, product_id, quantity)| (*line, product_id.as_str(), *quantity))
}

/// The units of each product, as the sum over the line items.
fn units_by_product<'a>(lines: impl IntoIterator<Item = (&'a str, i32)>) -> BTreeMap<&'a str, i64> {
    let mut units = BTreeMap::new();
    for (product_id, quantity) in lines {
        *units.entry(product_id).or_default() += i64::from(quantity);
    }
    units
}

/// Whether an order holds exactly these units.
async fn holds_exactly(transaction: &Transaction<'_>, order_id: OrderId, units: &BTreeMap<&str, i64>) -> anyhow::Result<bool> {
    let held = sql::held_units(transaction, &order_id.to_string()).await?;
    let held: BTreeMap<&str, i64> = held.iter().map(|held| (held.product_id.as_str(), held.quantity)).collect();
    Ok(units.iter().filter(|(_, units)| **units > 0).eq(held.iter()))
}

/// Moves an order to RESERVED after a decision. Its stock is already held. The reservations are
/// renewed for `held_for`, so that the customer has time to pay.
async fn reserve_held(transaction: &Transaction<'_>, order_id: OrderId, held_for: Duration) -> anyhow::Result<TransitionResult> {
    sql::renew_reservations(transaction, &order_id.to_string(), millis(held_for)).await?;
    order::advance(transaction, order_id, OrderStatus::Reserved, None).await
}

/// Releases everything that an order holds. Does nothing if the order holds nothing.
pub(crate) async fn release(transaction: &Transaction<'_>, order_id: OrderId) -> anyhow::Result<()> {
    sql::lock_held_products(transaction, &order_id.to_string()).await?;
    sql::release_reservations(transaction, &order_id.to_string()).await?;
    Ok(())
}

/// The units that are wanted of each product, as the sum over the line items.
fn wanted_units(items: &[LineItem]) -> BTreeMap<&str, i64> {
    units_by_product(items.iter().map(|item| (item.product_id.as_str(), item.quantity)))
}

/// The stock that is available for an order.
struct Stock<'a> {
    /// The available units of each product, at most as many as are wanted. After
    /// [`Stock::reduce_to_offer`], these are the offered units. The map is sorted by product id.
    available: BTreeMap<&'a str, i64>,
    /// The products with less stock than is wanted, and their stock.
    short: BTreeMap<&'a str, i64>,
}

impl<'a> Stock<'a> {
    /// Computes the available stock from the locked rows of the catalogue. Fails with
    /// [`Error::OutOfStock`] if no product is available in full.
    fn from_catalogue(wanted: &BTreeMap<&'a str, i64>, catalogue: &[Product]) -> Result<Self, Error> {
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
    fn reduce_to_offer(&mut self, max_units: i64) {
        for (id, stock) in &self.short {
            self.available.insert(id, offer::offered_units(*stock, max_units));
        }
    }
}

/// Checks the request's products, prices and currency against the catalogue.
fn check_against_catalogue(request: &ReservationRequest, catalogue: &[Product]) -> Result<(), Error> {
    for item in &request.items {
        let Some(Product { name, price_minor, currency: code, .. }) = catalogue.iter().find(|product| product.id == item.product_id) else {
            return Err(Error::UnknownProduct(item.product_id.clone()));
        };
        let (product, currency) = (name.clone(), parse_currency(code)?);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_product_are_wanted_together_and_in_one_order() {
        let line = |id: &str, quantity| LineItem { product_id: id.to_owned(), quantity, unit_price_minor: 1 };
        let items = [line("b", 2), line("a", 1), line("b", i32::MAX)];
        let wanted: Vec<_> = wanted_units(&items).into_iter().collect();
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
        assert_eq!(Error::TooManyUnpaidOrders { is_final: false }.refusal(), None, "the others may be paid in a moment");
        assert_eq!(Error::TooManyUnpaidOrders { is_final: true }.refusal(), Some(Refusal::OutOfStock));
    }

    #[test]
    fn a_customer_holds_so_much_and_one_offer_at_a_time() {
        let limits = Limits { spend: BTreeMap::new(), orders: None, window: Duration::ZERO };
        let policy = ReservationPolicy { held_for: Duration::ZERO, decision_timeout: Duration::ZERO, limits, max_orders: 3, max_units: 10 };
        let (order_id, customer_id): (OrderId, _) = ("ord_01930000000070008000000000000001".parse().unwrap(), String::new());
        let unpaid =
            |orders, units, awaits_decision| UnpaidOrders { order_id, customer_id: customer_id.clone(), orders, units, awaits_decision };
        assert!(unpaid(2, 4, true).leaves_room(6, &policy) && !unpaid(2, 4, false).leaves_room(7, &policy));
        assert!(!unpaid(3, 0, false).leaves_room(1, &policy) && !unpaid(0, i64::MAX, false).leaves_room(1, &policy));
        assert!(unpaid(2, 4, false).leaves_room_for_offer(6, &policy) && !unpaid(2, 4, true).leaves_room_for_offer(6, &policy));
    }
}
