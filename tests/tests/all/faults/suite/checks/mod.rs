//! The checks at the end of a run. They compare the record of acknowledgements with the stores.
//! They count independently of `worker audit`.

mod histories;
mod postgres;
pub(super) mod read_model;
mod refunds;
mod stock;

use super::{
    catalog::Catalog,
    context::FaultContext,
    kind::Kind,
    record::{Conditions, Purchase, Record},
    scenario::total_minor,
};
use anyhow::Result;
use postgres::Facts;
use std::collections::{BTreeMap, HashMap};

/// The failure reason when all attempts at the payment gateway failed. The sandbox gateway keeps
/// its books in Postgres.
const UNANSWERED: &str = "the payment service did not answer; nothing was charged";
/// The failure reason when the reservation expired before the payment was authorized.
const TOO_LATE: &str = "the payment took too long, and the stock is not held any more";

/// An order as Postgres has it.
pub(super) struct Order {
    pub(super) id: String,
    pub(super) customer: String,
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) total_minor: i64,
    pub(super) version: i64,
}

/// How the orders of one kind of customer ended.
#[derive(Clone, Copy, Default)]
pub(super) struct Ends {
    pub(super) customers: usize,
    pub(super) completed: usize,
    pub(super) failed: usize,
    /// Failed orders that could not be paid because of a fault.
    pub(super) unpaid_by_fault: usize,
    pub(super) cancelled: usize,
    /// Completed orders whose customers accepted an offer.
    pub(super) amended: usize,
    /// Refunds that succeeded.
    pub(super) refunds: usize,
}

pub(super) struct Summary {
    pub(super) ends: BTreeMap<Kind, Ends>,
    /// The number of workflows that were replayed from their histories.
    pub(super) replayed: usize,
    /// The number of events that subscribers received, and the number of repetitions.
    pub(super) events: (usize, usize),
}

/// Compares all stores with the record. Each difference is recorded as a breach.
pub(super) async fn run(
    context: &FaultContext<'_>,
    catalog: &Catalog,
    restocks: &BTreeMap<usize, i64>,
    histories: usize,
) -> Result<Summary> {
    let (record, facts) = (&context.record, Facts::read(context.shop).await?);
    let ends = check_customers(record, &facts.orders);
    facts.check(context);
    stock::check(context, catalog, restocks, &facts.orders).await?;
    refunds::check(context.shop, record).await?;
    let ids: Vec<String> = facts.orders.iter().map(|order| order.id.clone()).collect();
    read_model::check(context, &ids).await?;
    let replayed = histories::replay(context, histories).await?;
    Ok(Summary { ends, replayed, events: context.subscriber.count() })
}

/// Each customer must have the acknowledged order, once, and nothing else.
fn check_customers(record: &Record, orders: &[Order]) -> BTreeMap<Kind, Ends> {
    let mut by_customer: HashMap<&str, Vec<&Order>> = HashMap::new();
    for order in orders {
        by_customer.entry(&order.customer).or_default().push(order);
    }
    let mut ends_by_kind = BTreeMap::new();
    for purchase in record.purchases().iter() {
        let (kind, customer) = (purchase.scenario.kind, &purchase.scenario.customer);
        let ends: &mut Ends = ends_by_kind.entry(kind).or_default();
        ends.customers += 1;
        ends.refunds += purchase.answers.refunds.iter().filter(|refund| refund.minor > 0).count();
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
            record.breach(format!("{customer} was answered that there is no order, but there is {}", made[0].id));
        }
        for order in made {
            if !has_expected_total(purchase, order) {
                record.breach(format!("{} costs {}, for {:?}", order.id, order.total_minor, purchase.lines()));
            }
            if !is_expected(purchase, order) {
                record.breach(format!("{} of {customer} ({}) ended {}: {}", order.id, kind.name(), order.status, order.reason));
            }
            match order.status.as_str() {
                "COMPLETED" => ends.completed += 1,
                "CANCELLED" => ends.cancelled += 1,
                _ => ends.failed += 1,
            }
            ends.unpaid_by_fault += usize::from(order.reason == UNANSWERED || order.reason == TOO_LATE);
            ends.amended += usize::from(order.status == "COMPLETED" && purchase.answers.agreed.is_some());
        }
    }
    for (customer, orders) in by_customer {
        record.breach(format!("nobody knows {customer}, who has {} orders", orders.len()));
    }
    ends_by_kind
}

/// Whether the order has the total of what the customer ordered or agreed to. An order that ended
/// before it was amended keeps its first total.
fn has_expected_total(purchase: &Purchase, order: &Order) -> bool {
    order.total_minor == total_minor(purchase.lines())
        || (order.status != "COMPLETED" && order.total_minor == total_minor(&purchase.scenario.lines))
}

fn is_expected(purchase: &Purchase, order: &Order) -> bool {
    let (reason, answers) = (order.reason.as_str(), &purchase.answers);
    match (purchase.scenario.kind, order.status.as_str()) {
        // An order with a permanent error fails for that error. An order at a wrong price is never
        // paid.
        (Kind::WrongPrice, status) => status == "FAILED" && reason.starts_with("the price of "),
        (Kind::NotApproved, status) => status == "FAILED" && answers.reviewed && reason == "the shop did not approve the order",
        (_, "FAILED") if reason == UNANSWERED => purchase.conditions != Conditions::Normal,
        (_, "FAILED") if reason == TOO_LATE => purchase.conditions == Conditions::ClockSteps,
        (Kind::Declined, status) => status == "FAILED" && reason.starts_with("the card "),
        (Kind::Scarce, "FAILED") => reason.ends_with(" is out of stock"),
        (Kind::Cancelled | Kind::CancelledInstead | Kind::Hostile, "CANCELLED") => answers.cancel_asked,
        (Kind::Approved, status) => status == "COMPLETED" && answers.reviewed,
        (Kind::Invalid, _) => false,
        (_, status) => status == "COMPLETED",
    }
}
