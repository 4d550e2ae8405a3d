//! Checks the refunds: each accepted refund exists once and has the result that the customer saw.
//! All others are failed requests of hostile customers.

use crate::{
    faults::suite::{kind::Kind, record::Record},
    support::Shop,
};
use anyhow::Result;
use std::collections::HashMap;

pub(super) async fn check(shop: &Shop, record: &Record) -> Result<()> {
    let rows = shop.db().await?.query("SELECT id, order_id, state, amount_minor FROM refunds", &[]).await?;
    let mut refunds: HashMap<String, (String, String, i64)> =
        rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2), row.get(3)))).collect();
    for purchase in record.purchases().iter() {
        for refund in &purchase.answers.refunds {
            let there = refunds.remove(&refund.id);
            let as_answered = there.as_ref().is_some_and(|(order, state, minor)| {
                purchase.answers.acknowledged.contains(order)
                    && if refund.minor > 0 { state == "SUCCEEDED" && *minor == refund.minor } else { state == "FAILED" }
            });
            if !as_answered {
                record.breach(format!("{} of {} is {there:?}, and should be of {}", refund.id, purchase.scenario.customer, refund.minor));
            }
        }
    }
    let purchases = record.purchases();
    let hostile = |order: &String| {
        purchases.iter().any(|purchase| purchase.scenario.kind == Kind::Hostile && purchase.answers.acknowledged.contains(order))
    };
    // Hostile customers ask for more than they paid, so none of their refunds may succeed.
    for (id, (order, state, minor)) in refunds.into_iter().filter(|(_, (order, state, _))| state != "FAILED" || !hostile(order)) {
        record.breach(format!("no customer has an acknowledgement of {id}, which refunds {minor} of {order} and is {state}"));
    }
    Ok(())
}
