//! The parts of Stripe's objects that OrderFlow reads.

use super::refusal::Refusal;
use crate::payment::{ChargeStatus, Error};
use serde::{Deserialize, de::IgnoredAny};
use std::collections::BTreeMap;

/// A payment intent. Each order is charged through one.
#[derive(Debug, Deserialize)]
pub(super) struct Intent {
    pub(super) id: String,
    pub(super) status: Status,
    /// In Stripe's units of `currency`.
    pub(super) amount: i64,
    /// The currency code in lower case.
    pub(super) currency: String,
    #[serde(default)]
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) last_payment_error: Option<Refusal>,
    pub(super) latest_charge: Option<LatestCharge>,
}

/// The status of an intent (<https://docs.stripe.com/payments/paymentintents/lifecycle>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    Processing,
    RequiresCapture,
    Canceled,
    Succeeded,
    #[serde(other)]
    Other,
}

/// The charge if the call requested it (`expand[]`), otherwise its id.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum LatestCharge {
    Charge(Charge),
    Id(IgnoredAny),
}

/// The charge of an intent. The amounts are in Stripe's units.
#[derive(Debug, Deserialize)]
pub(super) struct Charge {
    pub(super) amount_captured: i64,
    pub(super) amount_refunded: i64,
}

/// A refund. The amount is in Stripe's units.
#[derive(Debug, Deserialize)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) status: Option<String>,
    pub(super) failure_reason: Option<String>,
    /// Null if there is none.
    pub(super) metadata: Option<BTreeMap<String, String>>,
}

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(super) struct List<T> {
    pub(super) data: Vec<T>,
    /// Whether another page follows.
    pub(super) has_more: bool,
}

impl Intent {
    pub(super) fn charge_status(&self) -> ChargeStatus {
        match self.status {
            Status::RequiresCapture => ChargeStatus::Authorized(self.id.clone()),
            Status::Succeeded => ChargeStatus::Captured(self.id.clone()),
            Status::Canceled => ChargeStatus::Declined("the authorization is not valid any more".to_owned()),
            // The customer is not present to confirm.
            Status::RequiresAction => ChargeStatus::Declined("the card's bank asks the customer to confirm the payment".to_owned()),
            Status::RequiresPaymentMethod => match &self.last_payment_error {
                Some(refusal) => ChargeStatus::Declined(refusal.reason().to_owned()),
                None => ChargeStatus::Open,
            },
            Status::RequiresConfirmation | Status::Processing | Status::Other => ChargeStatus::Open,
        }
    }

    fn charge(&self) -> Option<&Charge> {
        match &self.latest_charge {
            Some(LatestCharge::Charge(charge)) => Some(charge),
            _ => None,
        }
    }

    /// Whether a charge succeeded, even one that only authorized the amount.
    pub(super) fn was_charged(&self) -> bool {
        self.latest_charge.is_some() && self.last_payment_error.is_none()
    }

    /// Whether everything that was captured is refunded.
    pub(super) fn is_refunded(&self) -> bool {
        self.charge().is_some_and(|charge| charge.amount_captured > 0 && charge.amount_refunded >= charge.amount_captured)
    }
}

impl Refund {
    /// Whether the refund is valid, so that the customer gets the money. A refund may still fail
    /// days later. The money is then the shop's again.
    pub(super) fn is_valid(&self) -> bool {
        !matches!(self.status.as_deref(), Some("failed" | "canceled"))
    }

    /// The result of this refund for [`Gateway::refund`](crate::payment::Gateway::refund).
    pub(super) fn result(&self) -> Result<(), Error> {
        match self.failure_reason.as_deref() {
            _ if self.is_valid() => Ok(()),
            Some("insufficient_funds") => {
                Err(Error::TemporarilyRefused("the shop's balance with the gateway does not cover it".to_owned()))
            }
            _ => Err(Error::Declined("the customer's bank does not take the money back".to_owned())),
        }
    }

    /// Whether the refund has this metadata.
    pub(super) fn has_metadata(&self, name: &str, value: &str) -> bool {
        self.metadata.as_ref().and_then(|metadata| metadata.get(name)).is_some_and(|found| found == value)
    }

    /// Whether OrderFlow requested the refund.
    pub(super) fn is_ours(&self) -> bool {
        self.metadata.as_ref().is_some_and(|metadata| metadata.contains_key(super::REFUND_ID) || metadata.contains_key(super::ORDER_ID))
    }
}
