//! The status of an order.

use super::{Transition, UnknownStatus, state_machine};
use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};
use utoipa::ToSchema;

/// The status of an order. Every order starts as `Pending`; `Completed`, `Failed` and `Cancelled`
/// are final. Names may be added but never changed, because workflow histories, tables and clients
/// store them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, EnumString, IntoStaticStr, VariantArray)]
#[schema(description = "ACTION_REQUIRED waits for the customer (amend or cancel), IN_REVIEW for the shop. From SHIPPED on an order \
        can no longer be cancelled. COMPLETED, FAILED and CANCELLED are final.")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", parse_err_ty = UnknownStatus, parse_err_fn = UnknownStatus::new)]
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

state_machine! {
    OrderStatus starts as [Pending];
    Pending => [ActionRequired, InReview, Reserved, Failed] by [Workflow];
    Pending => [Cancelled] by [Customer, Staff];
    ActionRequired => [InReview, Reserved, Failed] by [Customer];
    ActionRequired => [Cancelled] by [Customer, Staff, Deadline];
    InReview => [ActionRequired, Reserved, Failed] by [Staff];
    InReview => [Cancelled] by [Customer, Staff, Deadline];
    Reserved => [Paid, Failed] by [Gateway];
    Reserved => [Cancelled] by [Customer, Staff];
    Paid => [Shipped, Failed] by [Carrier];
    Paid => [Completed] by [Workflow];
    Paid => [Cancelled] by [Customer, Staff];
    Shipped => [Delivered, Failed] by [Carrier];
    Delivered => [Completed] by [Workflow];
}

impl OrderStatus {
    /// Whether an order with this status can still be cancelled.
    #[must_use]
    pub fn may_be_cancelled(self) -> bool {
        self.leads_to(Self::Cancelled)
    }

    /// The names of the statuses from which an order that is being compensated may move to this
    /// one. Such an order may only become FAILED or CANCELLED. There is one exception: if its
    /// parcels turn out to be delivered, it may become DELIVERED and then COMPLETED.
    #[must_use]
    pub fn predecessors_in_compensation(self) -> Vec<&'static str> {
        let permitted = |known: &&Transition<Self>| {
            known.to == self && (matches!(known.to, Self::Delivered | Self::Failed | Self::Cancelled) || known.from == Self::Delivered)
        };
        Self::TRANSITIONS.iter().filter(permitted).map(|known| known.from.as_str()).collect()
    }

    /// The statuses of an order after the check of its stock and before its payment. Such an order
    /// may hold stock.
    pub const UNPAID: &'static [Self] = &[Self::ActionRequired, Self::InReview, Self::Reserved];
}

#[cfg(test)]
mod tests {
    use super::OrderStatus::{self, *};

    #[test]
    fn final_statuses_are_the_three_ends() {
        let finals: Vec<_> = OrderStatus::ALL.iter().filter(|s| s.is_final()).collect();
        assert_eq!(finals, [&Completed, &Failed, &Cancelled]);
        assert_eq!(OrderStatus::open(), ["PENDING", "ACTION_REQUIRED", "IN_REVIEW", "RESERVED", "PAID", "SHIPPED", "DELIVERED"]);
    }

    #[test]
    fn every_status_is_reachable() {
        for status in OrderStatus::ALL {
            assert_eq!(*status == Pending, status.predecessors().is_empty(), "{status}: only the first has none before it");
        }
    }

    #[test]
    fn an_order_that_left_the_shop_cannot_be_cancelled() {
        let not: Vec<_> = OrderStatus::ALL.iter().filter(|status| !status.may_be_cancelled()).collect();
        assert_eq!(not, [&Shipped, &Delivered, &Completed, &Failed, &Cancelled]);
    }
}
