//! Why an order did not complete, in words that may leave the shop.
//!
//! `orders.failure_reason` is only for people who may see the order. It may contain text of others:
//! the reason that a customer or staff gave for a cancellation, a carrier's remark, or a product id
//! that a customer invented. Notifications and events contain only OrderFlow's own sentences. So
//! nobody can send their own text, such as a link, in the shop's name.

use orders::{
    OrderStatus,
    workflow::{CANCELLATION_REASONS, CANCELLED_ON_REQUEST},
};
use std::borrow::Cow;

/// The beginning of the refusal of a line item whose product is not in the catalogue. The product
/// id that the customer gave follows.
pub(crate) const NO_SUCH_PRODUCT: &str = "there is no product";
/// The same refusal without the product id.
const UNKNOWN_PRODUCT: &str = "a product of the order is not in the catalogue";

/// What happened to a shipment that did not arrive, as in "shipment 2 was lost". A carrier's remark
/// may follow after a colon, and the next shipment after [`SEPARATOR`].
pub(crate) const LOST: &str = "was lost";
pub(crate) const RETURNED: &str = "came back undelivered";
pub(crate) const REFUSED: &str = "was not taken by the carrier";
pub(crate) const CANCELLED: &str = "was taken back";
const SHIPMENT: &str = "shipment ";
pub(crate) const SEPARATOR: &str = "; ";

/// The reason that notifications and events give for the end of an order. `None` if the order
/// completed, or if no reason is known.
pub(crate) fn public_order_reason(status: OrderStatus, recorded: Option<&str>) -> Option<Cow<'_, str>> {
    match (status, recorded?) {
        (OrderStatus::Cancelled, reason) => Some(public_cancellation_reason(reason).into()),
        (OrderStatus::Failed, reason) if is_unknown_product(reason) => Some(UNKNOWN_PRODUCT.into()),
        (OrderStatus::Failed, reason) if reason.starts_with(SHIPMENT) => public_shipment_reasons(reason).map(Cow::Owned),
        // All other refusals are OrderFlow's own sentences, with names and prices from the
        // catalogue.
        (OrderStatus::Failed, reason) => Some(reason.into()),
        _ => None,
    }
}

/// The reason that notifications give for a refund: what happened to shipments that did not arrive.
/// `None` for other refunds, because staff wrote their reasons.
pub(crate) fn public_refund_reason(recorded: Option<&str>) -> Option<String> {
    public_shipment_reasons(recorded?)
}

fn public_cancellation_reason(reason: &str) -> &'static str {
    CANCELLATION_REASONS.iter().find(|own| **own == reason).unwrap_or(&CANCELLED_ON_REQUEST)
}

fn is_unknown_product(reason: &str) -> bool {
    reason.strip_prefix(NO_SUCH_PRODUCT).is_some_and(|id| id.starts_with(' '))
}

/// What happened to each shipment, without the remarks of others.
fn public_shipment_reasons(reason: &str) -> Option<String> {
    let own: Vec<&str> = reason.split(SEPARATOR).filter_map(public_shipment_reason).collect();
    (!own.is_empty()).then(|| own.join(SEPARATOR))
}

/// The clause about one shipment without a remark; `None` if OrderFlow did not write it.
fn public_shipment_reason(clause: &str) -> Option<&str> {
    let (number, _) = clause.strip_prefix(SHIPMENT)?.split_once(' ')?;
    let has_number = number.parse::<u16>().is_ok();
    let (_, rest) = clause.split_at(SHIPMENT.len() + number.len() + 1);
    let what = rest.split_once(": ").map_or(rest, |(what, _)| what);
    let is_own = has_number && [LOST, RETURNED, REFUSED, CANCELLED].contains(&what);
    is_own.then(|| &clause[..clause.len() - rest.len() + what.len()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stock;

    const EVIL: &str = "see https://evil.example";

    fn order_reason(status: OrderStatus, reason: &str) -> Option<String> {
        public_order_reason(status, Some(reason)).map(Cow::into_owned)
    }

    #[test]
    fn a_cancellation_has_a_reason_of_our_own() {
        assert_eq!(order_reason(OrderStatus::Cancelled, EVIL).as_deref(), Some(CANCELLED_ON_REQUEST));
        for own in CANCELLATION_REASONS {
            assert_eq!(order_reason(OrderStatus::Cancelled, own).as_deref(), Some(own));
        }
        // A sentence that is valid for a failure does not count for a cancellation.
        let smuggled = "https://evil.example is out of stock";
        assert_eq!(order_reason(OrderStatus::Cancelled, smuggled).as_deref(), Some(CANCELLED_ON_REQUEST));
    }

    #[test]
    fn a_failure_has_a_reason_without_the_words_of_others() {
        let unknown = stock::Error::UnknownProduct("evil.example".to_owned()).to_string();
        assert_eq!(order_reason(OrderStatus::Failed, &unknown).as_deref(), Some(UNKNOWN_PRODUCT));
        for own in ["the card was declined", "Aurora Laptop is out of stock", "there is nothing left to deliver"] {
            assert_eq!(order_reason(OrderStatus::Failed, own).as_deref(), Some(own));
        }
        let lost = format!("shipment 1 was lost: {EVIL}; pay here; shipment 12 came back undelivered");
        assert_eq!(order_reason(OrderStatus::Failed, &lost).as_deref(), Some("shipment 1 was lost; shipment 12 came back undelivered"));
        assert_eq!(order_reason(OrderStatus::Failed, "shipment evil.example was lost"), None);
    }

    #[test]
    fn an_order_that_has_not_failed_has_no_reason() {
        assert_eq!((order_reason(OrderStatus::Completed, EVIL), public_order_reason(OrderStatus::Failed, None)), (None, None));
    }

    #[test]
    fn a_refund_has_only_reasons_about_shipments() {
        assert_eq!(public_refund_reason(Some(EVIL)), None);
        assert_eq!(public_refund_reason(Some("shipment 2 was lost: it fell off the truck")).as_deref(), Some("shipment 2 was lost"));
        assert_eq!(public_refund_reason(None), None);
    }
}
