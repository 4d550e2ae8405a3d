//! What the payment gateway itself knows about an order's payment. The sandbox's ledger is in
//! Postgres and is read there.

use super::fact::{Fact, Store};
use crate::{
    config::Payments,
    payment::{Payment, Statement},
    run::create_gateways,
};
use anyhow::Context as _;
use deadpool_postgres::Pool;
use orders::Money;

/// Asks the gateway that has the payment.
///
/// # Errors
/// Fails if this command is not configured for the gateway, or if it does not answer.
pub(super) async fn read(settings: &Payments, pool: &Pool, payment: &Payment) -> anyhow::Result<Vec<Fact>> {
    let Some(name) = payment.gateway.as_deref().filter(|name| *name != "sandbox") else { return Ok(Vec::new()) };
    if payment.reference.is_none() {
        return Ok(Vec::new());
    }
    let gateways = create_gateways(settings, pool).await?;
    let gateway = gateways.by_name(name).with_context(|| format!("this command is not configured for the gateway {name}"))?;
    let Statement { state, external_refunds } = gateway.statement(payment).await?;
    let mut facts = vec![Fact::new(None, Store::Gateway, format!("payment at {name}"), format!("{state:?}").to_uppercase(), "")];
    facts.extend(external_refunds.into_iter().map(|refund| Fact {
        amount: Some(Money { minor: refund.amount_minor, currency: payment.currency }),
        ..Fact::new(None, Store::Gateway, format!("refund {}", refund.id), "MADE", "not requested by OrderFlow")
    }));
    Ok(facts)
}
