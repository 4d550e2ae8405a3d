//! The state machines: of an order, its reservations, its payment, its refunds, its shipments and
//! its notifications.
//!
//! Each module here is the only definition of its machine: the statuses, the transitions between
//! them, and the causes of each transition. The workflow, the worker and the audit ask these
//! tables. SQL takes the permitted transitions as parameters. If an SQL statement or an index
//! contains the names of statuses, tests compare it with these tables. `docs/states.md` is
//! generated from them.

mod notification;
mod order;
mod payment;
mod refund;
mod reservation;
mod shipment;

pub use notification::NotificationState;
pub use order::OrderStatus;
pub use payment::PaymentStatus;
pub use refund::RefundStatus;
pub use reservation::ReservationState;
pub use shipment::ShipmentStatus;

/// What may cause a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Cause {
    /// A request of the customer.
    Customer,
    /// A request or a decision of the shop's staff.
    Staff,
    /// The order's workflow, in the normal course of the order.
    Workflow,
    /// An answer or an event of the payment gateway, or a missing answer.
    Gateway,
    /// An answer or an event of the carrier.
    Carrier,
    /// An answer or an event of the provider of e-mail or SMS.
    Provider,
    /// A deadline that passed.
    Deadline,
}

/// A permitted change of a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition<S: 'static> {
    pub from: S,
    pub to: S,
    /// The causes that may lead to it; never empty.
    pub by: &'static [Cause],
}

/// Adds to an enum of statuses the items that all state machines have. The enum derives
/// `strum::VariantArray` and `strum::IntoStaticStr`.
macro_rules! state_machine {
    ($status:ident starts as [$($first:ident),+]; $($from:ident => [$($to:ident),+] by $causes:tt;)+) => {
        impl $status {
            pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

            /// The statuses that a new row may have.
            pub const FIRST: &'static [Self] = &[$(Self::$first),+];

            /// Every permitted transition.
            pub const TRANSITIONS: &'static [$crate::status::Transition<Self>] = &[$($(
                state_machine!(@transition $from $to $causes)
            ),+),+];

            /// The name that is used in JSON, in SQL and in the read model.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                self.into()
            }

            /// Whether a transition leads from this status to `to`.
            #[must_use]
            pub fn leads_to(self, to: Self) -> bool {
                Self::TRANSITIONS.iter().any(|known| known.from == self && known.to == to)
            }

            /// Whether no transition leads away from this status.
            #[must_use]
            pub fn is_final(self) -> bool {
                !Self::TRANSITIONS.iter().any(|known| known.from == self)
            }

            /// The names of the statuses from which a transition leads to this one. SQL takes them
            /// for `status = ANY(…)`.
            #[must_use]
            pub fn predecessors(self) -> Vec<&'static str> {
                Self::TRANSITIONS.iter().filter(|known| known.to == self).map(|known| known.from.as_str()).collect()
            }

            /// The permitted transitions, each as `FROM>TO`. SQL takes them as an array.
            #[must_use]
            pub fn steps() -> Vec<String> {
                Self::TRANSITIONS.iter().map(|known| format!("{}>{}", known.from, known.to)).collect()
            }

            /// The names of the statuses that are not final.
            #[must_use]
            pub fn open() -> Vec<&'static str> {
                Self::ALL.iter().filter(|status| !status.is_final()).map(|status| status.as_str()).collect()
            }
        }

        impl std::fmt::Display for $status {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
    (@transition $from:ident $to:ident [$($cause:ident),+]) => {
        $crate::status::Transition { from: Self::$from, to: Self::$to, by: &[$($crate::status::Cause::$cause),+] }
    };
}
use state_machine;

/// Error: the text is not the name of a status. A newer release may have written it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this release does not know the status")]
pub struct UnknownStatus;

impl UnknownStatus {
    fn new(_: &str) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Serialize;

    fn assert_names<S: Serialize + Copy + std::fmt::Debug + Into<&'static str>>(statuses: &[S]) {
        for status in statuses {
            assert_eq!(serde_json::to_value(status).unwrap(), Into::<&str>::into(*status));
        }
    }

    #[test]
    fn statuses_have_one_name_everywhere() {
        assert_names(OrderStatus::ALL);
        assert_names(PaymentStatus::ALL);
        assert_names(RefundStatus::ALL);
        assert_names(ShipmentStatus::ALL);
        for status in OrderStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
        }
        assert_eq!("SOLD".parse::<OrderStatus>(), Err(UnknownStatus));
    }
}
