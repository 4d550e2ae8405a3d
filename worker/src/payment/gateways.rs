//! The choice of the gateway for a payment. A shop may change its gateway at any time. The gateway
//! that began a payment also finishes it and makes its refunds.

use super::{
    Gateway, Payment,
    free::{self, Free},
    measured::Measured,
};
use anyhow::Context;
use std::sync::Arc;

/// The gateways that this worker can call.
#[derive(Clone)]
pub struct Gateways {
    /// Charges all new payments.
    current: Arc<dyn Gateway>,
    /// Earlier gateways of the shop. They may have payments of existing orders.
    others: Vec<Arc<dyn Gateway>>,
}

impl Gateways {
    #[must_use]
    pub fn new(current: Arc<dyn Gateway>, others: Vec<Arc<dyn Gateway>>) -> Self {
        let measured = |gateway| Arc::new(Measured(gateway)) as Arc<dyn Gateway>;
        Self { current: measured(current), others: others.into_iter().map(measured).collect() }
    }

    /// The gateway with this name; `None` if this worker cannot call it.
    pub(crate) fn by_name(&self, name: &str) -> Option<&dyn Gateway> {
        if name == free::NAME {
            return Some(&Free);
        }
        [&self.current].into_iter().chain(&self.others).map(AsRef::as_ref).find(|gateway| gateway.name() == name)
    }

    /// The gateway that has the payment. If no gateway has it yet, this is the current gateway, or
    /// [`Free`] if the amount is 0.
    ///
    /// # Errors
    /// Fails if this worker cannot call the gateway that has the payment.
    pub(crate) fn for_payment(&self, payment: &Payment) -> anyhow::Result<&dyn Gateway> {
        let Some(name) = &payment.gateway else {
            return Ok(if payment.amount_minor == 0 { &Free } else { self.current.as_ref() });
        };
        self.by_name(name)
            .with_context(|| format!("{}: paid through {name}, which this worker is not configured for", payment.idempotency_key))
    }

    /// Whether a payment may be at another gateway than the current one.
    pub(crate) fn has_others(&self) -> bool {
        !self.others.is_empty()
    }

    /// The name of the gateway to record with the payment; see [`Self::for_payment`].
    pub(crate) fn name_of<'a>(&'a self, payment: &'a Payment) -> &'a str {
        let for_new_payment = || if payment.amount_minor == 0 { free::NAME } else { self.current.name() };
        payment.gateway.as_deref().unwrap_or_else(for_new_payment)
    }
}
