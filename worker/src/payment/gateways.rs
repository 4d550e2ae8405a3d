//! Which gateway an order's payment is with. A shop may change its gateway at any time: what one has begun, it finishes, and gives back.

use super::{
    Gateway, Payment,
    free::{self, Free},
};
use anyhow::Context;
use std::sync::Arc;

/// The gateways that a worker can reach.
#[derive(Clone)]
pub struct Gateways {
    /// Takes what is to be paid from now on.
    current: Arc<dyn Gateway>,
    /// Have taken payments before, or may have.
    others: Vec<Arc<dyn Gateway>>,
}

impl Gateways {
    #[must_use]
    pub fn new(current: Arc<dyn Gateway>, others: Vec<Arc<dyn Gateway>>) -> Self {
        Self { current, others }
    }

    /// The gateway of a name; `None` when this worker cannot reach it.
    pub(crate) fn named(&self, name: &str) -> Option<&dyn Gateway> {
        if name == free::NAME {
            return Some(&Free);
        }
        [&self.current].into_iter().chain(&self.others).map(AsRef::as_ref).find(|gateway| gateway.name() == name)
    }

    /// The gateway that has a payment. When none does: the current one, and none at all for what costs nothing.
    ///
    /// # Errors
    /// When this worker cannot reach it.
    pub(crate) fn of(&self, payment: &Payment) -> anyhow::Result<&dyn Gateway> {
        let Some(name) = &payment.gateway else {
            return Ok(if payment.amount_minor == 0 { &Free } else { self.current.as_ref() });
        };
        self.named(name).with_context(|| format!("{} is paid through {name}, whose key this worker does not have", payment.idempotency_key))
    }

    /// Whether a payment may be with another than the current one.
    pub(crate) fn are_several(&self) -> bool {
        !self.others.is_empty()
    }

    /// The name under which a payment is recorded.
    pub(crate) fn name_of<'a>(&'a self, payment: &'a Payment) -> &'a str {
        let new = || if payment.amount_minor == 0 { free::NAME } else { self.current.name() };
        payment.gateway.as_deref().unwrap_or_else(new)
    }
}
