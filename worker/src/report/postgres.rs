//! What Postgres knows about an order.

use super::fact::{Fact, Store};
use crate::{
    audit::{BrokenInvariant, order as audit},
    config, db,
    ops::system::seconds,
    order::{parse_currency, reason::public_order_reason},
    payment::{self, Payment},
    projection::load_orders,
    sql::{Client, report as sql},
};
use deadpool_postgres::Pool;
use orders::{Money, OrderId, OrderView};
use tokio_postgres::IsolationLevel;

pub(super) struct Recorded {
    pub(super) order: sql::Order,
    /// The view that the read model should have.
    pub(super) view: Option<anyhow::Result<OrderView>>,
    /// The order's payment; `None` if no gateway was asked yet.
    pub(super) payment: Option<Payment>,
    /// The ids of the refunds, which are also those of their workflows.
    pub(super) refunds: Vec<String>,
    pub(super) facts: Vec<Fact>,
    pub(super) findings: anyhow::Result<Vec<BrokenInvariant>>,
}

/// Reads everything in one snapshot. Returns `None` if the order is not on record.
///
/// # Errors
/// Fails if Postgres does not answer.
pub(super) async fn read(pool: &Pool, id: OrderId, settings: &config::Order) -> anyhow::Result<Option<Recorded>> {
    let mut client = db::connection(pool).await?;
    let snapshot = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start().await?;
    let (name, stuck) = (id.to_string(), &settings.stuck);
    let found = sql::order(&snapshot, &name, seconds(stuck.stuck_after), seconds(stuck.parcel_silent_after)).await?;
    let Some(order) = found else { return Ok(None) };
    let (mut refunds, mut related) = (Vec::new(), Vec::new());
    for sql::Related { id, kind } in sql::related_ids(&snapshot, &name).await? {
        if kind == "REFUND" {
            refunds.push(id.clone());
        }
        related.push(id);
    }
    let facts = read_facts(&snapshot, &name, &order).await?;
    let view = load_orders(&snapshot, std::slice::from_ref(&name)).await?.pop().map(|loaded| loaded.view.map(|(view, _)| view));
    let payment = payment::find_payment(&snapshot, id).await.ok().flatten().filter(|payment| payment.gateway.is_some());
    let publishes_events = settings.events.events_topic_arn.as_ref().is_some_and(|arn| !arn.is_empty());
    // Last, because a statement that fails ends the snapshot.
    let findings = audit::check_facts(&snapshot, id, &related, publishes_events, stuck.stuck_after).await.map(|mut findings| {
        if order.is_stuck {
            let compensating = if order.is_compensating { ", in compensation" } else { "" };
            findings.push(audit::stuck(id, format!("{}{compensating}, for too long", order.status)));
        }
        findings
    });
    Ok(Some(Recorded { order, view, payment, refunds, facts, findings }))
}

async fn read_facts(client: &dyn Client, id: &str, order: &sql::Order) -> Result<Vec<Fact>, tokio_postgres::Error> {
    let mut facts = Vec::new();
    let mut add = |store: Store, found: Vec<sql::Fact>| {
        facts.extend(found.into_iter().map(|sql::Fact { at, subject, state, detail, amount_minor }| Fact {
            amount: amount_minor.and_then(|minor| money(order, minor)),
            ..Fact::new(at, store, subject, state, &detail)
        }));
    };
    add(Store::Postgres, sql::history(client, id).await?);
    add(Store::Postgres, sql::line_items(client, id).await?);
    add(Store::Postgres, sql::stock(client, id).await?);
    add(Store::Postgres, sql::money(client, id).await?);
    add(Store::Gateway, sql::ledger(client, id).await?);
    add(Store::Postgres, sql::parcels(client, id).await?);
    add(Store::Carrier, sql::carrier(client, id).await?);
    add(Store::Postgres, sql::notices(client, id).await?);
    add(Store::Postgres, sql::events(client, id).await?);
    add(Store::Postgres, sql::failing_rows(client, id).await?);
    Ok(facts)
}

/// An amount in the order's currency; `None` if this release does not know the currency.
pub(super) fn money(order: &sql::Order, minor: i64) -> Option<Money> {
    Some(Money { minor, currency: parse_currency(&order.currency).ok()? })
}

/// Why the order did not complete, without the texts of others.
pub(super) fn public_reason(order: &sql::Order) -> Option<String> {
    public_order_reason(order.status.parse().ok()?, order.failure_reason.as_deref()).map(Into::into)
}
