//! The statuses of an order and the one table of its transitions. The workflow, the SQL that changes an order and the read model all use it.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Where an order stands. Everything starts as `Pending`; `Completed`, `Failed` and `Cancelled` are final.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderStatus {
    /// Accepted; nothing reserved yet.
    #[default]
    Pending,
    /// The stock of every line is reserved.
    Reserved,
    /// The payment is captured.
    Paid,
    /// Everything is done and the customer has been told.
    Completed,
    /// Ended by a refusal (declined, out of stock, wrong price, …); nothing is held or charged.
    Failed,
    /// Ended on request; nothing is held or charged.
    Cancelled,
}

use OrderStatus::{Cancelled, Completed, Failed, Paid, Pending, Reserved};

/// Every legal change of status, as (from, to).
pub const TRANSITIONS: &[(OrderStatus, OrderStatus)] = &[
    (Pending, Reserved),
    (Pending, Failed),
    (Pending, Cancelled),
    (Reserved, Paid),
    (Reserved, Failed),
    (Reserved, Cancelled),
    (Paid, Completed),
    (Paid, Failed),
    (Paid, Cancelled),
];

impl OrderStatus {
    pub const ALL: &[Self] = &[Pending, Reserved, Paid, Completed, Failed, Cancelled];

    /// The name used in JSON, in SQL and in the read model.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Pending => "PENDING",
            Reserved => "RESERVED",
            Paid => "PAID",
            Completed => "COMPLETED",
            Failed => "FAILED",
            Cancelled => "CANCELLED",
        }
    }

    /// True when no transition leads on.
    #[must_use]
    pub fn is_final(self) -> bool {
        !TRANSITIONS.iter().any(|(from, _)| *from == self)
    }

    /// The statuses from which an order may come to this one; what `UPDATE … WHERE status = ANY(…)` takes.
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

/// The text names no status.
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
        assert_eq!(OrderStatus::open(), ["PENDING", "RESERVED", "PAID"]);
    }

    #[test]
    fn every_status_is_reachable_and_every_open_one_can_end() {
        for status in OrderStatus::ALL {
            assert!(*status == Pending || !status.predecessors().is_empty(), "{status} is never reached");
            assert!(status.is_final() || TRANSITIONS.contains(&(*status, Cancelled)), "{status} cannot be cancelled");
        }
    }
}
