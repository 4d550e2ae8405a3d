//! The account at the end: the record of what was acknowledged against what is there. It counts by itself, and in another way than `worker audit`.

mod books;
mod readers;

use super::{
    record::{Purchase, Record},
    shelf::Shelf,
    site::Site,
    wish::Kind,
};
use anyhow::Result;
use books::Books;
use std::collections::{BTreeMap, HashMap};

/// What a customer reads when the payment gateway could not be reached as often as the settings say; the sandbox gateway lives in Postgres.
const GAVE_UP: &str = "the payment service did not answer; nothing was charged";

/// An order as Postgres has it.
pub(super) struct Order {
    pub(super) id: String,
    pub(super) customer: String,
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) total_minor: i64,
    pub(super) version: i64,
}

/// How the orders of one kind ended.
#[derive(Clone, Copy, Default)]
pub(super) struct Ends {
    pub(super) customers: usize,
    pub(super) completed: usize,
    pub(super) failed: usize,
    /// Of the failed: those that a fault kept from being paid.
    pub(super) gave_up: usize,
    pub(super) cancelled: usize,
}

pub(super) type Account = BTreeMap<Kind, Ends>;

/// Holds everything against the record; what does not fit is entered there as a breach.
pub(super) async fn take(site: &Site<'_>, shelf: &Shelf) -> Result<Account> {
    let (record, books) = (&site.record, Books::read(site.shop).await?);
    let account = settle_with_customers(record, &books.orders);
    books.check(record, shelf, &sold(record, &books.orders));
    readers::check(site, &books.orders).await?;
    Ok(account)
}

/// Each customer has what was acknowledged, once, and nobody has anything else.
fn settle_with_customers(record: &Record, orders: &[Order]) -> Account {
    let mut by_customer: HashMap<&str, Vec<&Order>> = HashMap::new();
    for order in orders {
        by_customer.entry(&order.customer).or_default().push(order);
    }
    let mut account = Account::new();
    for purchase in record.purchases().iter() {
        let (kind, customer) = (purchase.wish.kind, &purchase.wish.customer);
        let ends = account.entry(kind).or_default();
        ends.customers += 1;
        let acknowledged = &purchase.answers.acknowledged;
        let made = by_customer.remove(customer.as_str()).unwrap_or_default();
        if acknowledged.len() > 1 {
            record.breach(format!("{customer} used one key and has the orders {acknowledged:?}"));
        }
        for id in acknowledged.iter().filter(|id| made.iter().all(|order| order.id != **id)) {
            record.breach(format!("{id} of {customer} was acknowledged and is lost"));
        }
        if made.len() > 1 {
            record.breach(format!("{customer} wanted one order and has {}", made.len()));
        }
        if !made.is_empty() && acknowledged.is_empty() && purchase.answers.unknown == 0 {
            record.breach(format!("{customer} was told that there is no order, but there is {}", made[0].id));
        }
        for order in made {
            if order.total_minor != purchase.wish.total_minor {
                record.breach(format!("{} costs {}, not {}", order.id, order.total_minor, purchase.wish.total_minor));
            }
            if !is_expected(purchase, order) {
                record.breach(format!("{} of {customer} ({}) ended {}: {}", order.id, kind.name(), order.status, order.reason));
            }
            match order.status.as_str() {
                "COMPLETED" => ends.completed += 1,
                "CANCELLED" => ends.cancelled += 1,
                _ => ends.failed += 1,
            }
            ends.gave_up += usize::from(order.reason == GAVE_UP);
        }
    }
    for (customer, orders) in by_customer {
        record.breach(format!("nobody knows {customer}, who has {} orders", orders.len()));
    }
    account
}

fn is_expected(purchase: &Purchase, order: &Order) -> bool {
    let reason = order.reason.as_str();
    match (purchase.wish.kind, order.status.as_str()) {
        // What is refused for good is refused for its own reason, and what is not on sale at that price never comes to be paid.
        (_, "FAILED") if reason == GAVE_UP => !purchase.calm && purchase.wish.kind != Kind::WrongPrice,
        (Kind::Declined, "FAILED") => reason.starts_with("the card "),
        (Kind::WrongPrice, "FAILED") => reason.starts_with("the price of "),
        (Kind::Scarce, "FAILED") => reason.ends_with(" is out of stock"),
        (Kind::Cancelled, "CANCELLED") => purchase.answers.cancel_asked,
        (Kind::Declined | Kind::WrongPrice | Kind::Invalid, _) => false,
        (_, status) => status == "COMPLETED",
    }
}

/// Units of each product that completed orders have, by what their customers wished for.
fn sold(record: &Record, orders: &[Order]) -> BTreeMap<usize, i64> {
    let completed: HashMap<&str, &Order> =
        orders.iter().filter(|order| order.status == "COMPLETED").map(|order| (order.customer.as_str(), order)).collect();
    let mut sold = BTreeMap::new();
    for purchase in record.purchases().iter().filter(|purchase| completed.contains_key(purchase.wish.customer.as_str())) {
        for (product, quantity) in &purchase.wish.lines {
            *sold.entry(*product).or_default() += quantity;
        }
    }
    sold
}
