//! The statuses of an order, and the only table of its transitions. The workflow, the SQL that
//! changes orders, and the read model all use it.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use utoipa::ToSchema;

/// The status of an order. Every order starts as `Pending`; `Completed`, `Failed` and `Cancelled`
/// are final. Names may be added but never changed, because workflow histories, tables and clients
/// hold them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[schema(description = "ACTION_REQUIRED waits for the customer (amend or cancel), IN_REVIEW for the shop. From SHIPPED on an order \
        can no longer be cancelled. COMPLETED, FAILED and CANCELLED are final.")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderStatus {
    /// Accepted; nothing is reserved yet.
    #[default]
    Pending,
    /// Only a part of the order is in stock. The customer gets an offer, which is held for a short
    /// time. The customer takes the offer, cancels the order, or does not answer in time.
    ActionRequired,
    /// Staff must approve or decline the order. Until then it holds no stock.
    InReview,
    /// The stock of every line item is reserved.
    Reserved,
    /// The payment is captured.
    Paid,
    /// At least one parcel is on its way; it is too late to cancel.
    Shipped,
    /// Every parcel has arrived, or did not arrive and is refunded.
    Delivered,
    /// All steps are done, and the customer is notified.
    Completed,
    /// The order was refused (payment declined, out of stock, wrong price, …), or nothing could
    /// be delivered. Nothing is held or charged.
    Failed,
    /// The order was cancelled on request or because a decision did not come in time. Nothing is
    /// held or charged.
    Cancelled,
}

use OrderStatus::{ActionRequired, Cancelled, Completed, Delivered, Failed, InReview, Paid, Pending, Reserved, Shipped};

/// Every permitted transition, as (from, to).
pub const TRANSITIONS: &[(OrderStatus, OrderStatus)] = &[
    (Pending, ActionRequired),
    (Pending, InReview),
    (Pending, Reserved),
    (Pending, Failed),
    (Pending, Cancelled),
    (ActionRequired, InReview),
    (ActionRequired, Reserved),
    (ActionRequired, Failed),
    (ActionRequired, Cancelled),
    (InReview, ActionRequired),
    (InReview, Reserved),
    (InReview, Failed),
    (InReview, Cancelled),
    (Reserved, Paid),
    (Reserved, Failed),
    (Reserved, Cancelled),
    (Paid, Shipped),
    (Paid, Completed),
    (Paid, Failed),
    (Paid, Cancelled),
    (Shipped, Delivered),
    (Shipped, Failed),
    (Delivered, Completed),
];

impl OrderStatus {
    pub const ALL: &[Self] = &[Pending, ActionRequired, InReview, Reserved, Paid, Shipped, Delivered, Completed, Failed, Cancelled];

    /// The name used in JSON, in SQL and in the read model.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Pending => "PENDING",
            ActionRequired => "ACTION_REQUIRED",
            InReview => "IN_REVIEW",
            Reserved => "RESERVED",
            Paid => "PAID",
            Shipped => "SHIPPED",
            Delivered => "DELIVERED",
            Completed => "COMPLETED",
            Failed => "FAILED",
            Cancelled => "CANCELLED",
        }
    }

    /// Whether no transition leads away from this status.
    #[must_use]
    pub fn is_final(self) -> bool {
        !TRANSITIONS.iter().any(|(from, _)| *from == self)
    }

    /// Whether an order with this status can still be cancelled.
    #[must_use]
    pub fn may_be_cancelled(self) -> bool {
        TRANSITIONS.contains(&(self, Cancelled))
    }

    /// The names of the statuses from which a transition leads to this one. Updates of an order use
    /// them in `status = ANY(…)`.
    #[must_use]
    pub fn predecessors(self) -> Vec<&'static str> {
        TRANSITIONS.iter().filter(|(_, to)| *to == self).map(|(from, _)| from.as_str()).collect()
    }

    /// The names of the statuses that are not final.
    #[must_use]
    pub fn open() -> Vec<&'static str> {
        Self::ALL.iter().filter(|status| !status.is_final()).map(|status| status.as_str()).collect()
    }
}

impl fmt::Display for OrderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Error: the text is not the name of an order status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an order status")]
pub struct UnknownStatus;

impl FromStr for OrderStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.iter().find(|status| status.as_str() == text).copied().ok_or(UnknownStatus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_agree_everywhere() {
        for status in OrderStatus::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
            assert_eq!(status.as_str().parse(), Ok(*status));
        }
    }

    #[test]
    fn final_statuses_are_the_three_ends() {
        let finals: Vec<_> = OrderStatus::ALL.iter().filter(|s| s.is_final()).collect();
        assert_eq!(finals, [&Completed, &Failed, &Cancelled]);
        assert_eq!(OrderStatus::open(), ["PENDING", "ACTION_REQUIRED", "IN_REVIEW", "RESERVED", "PAID", "SHIPPED", "DELIVERED"]);
    }

    #[test]
    fn every_status_is_reachable_and_every_open_one_leads_on() {
        for status in OrderStatus::ALL {
            assert_eq!(*status == Pending, status.predecessors().is_empty(), "{status}: only the first has none before it");
            let leads_on = TRANSITIONS.iter().any(|(from, _)| from == status);
            assert_eq!(leads_on, !status.is_final(), "{status}: all but the ends lead on");
        }
    }

    #[test]
    fn what_is_on_its_way_cannot_be_cancelled() {
        let not: Vec<_> = OrderStatus::ALL.iter().filter(|status| !status.may_be_cancelled()).collect();
        assert_eq!(not, [&Shipped, &Delivered, &Completed, &Failed, &Cancelled]);
    }
}
