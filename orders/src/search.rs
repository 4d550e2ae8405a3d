//! The search attributes of an order's workflow: what Temporal's list of workflows can be searched
//! by. They are set when the workflow starts, if `TEMPORAL_SEARCH_ATTRIBUTES` is true.
//!
//! Each later change costs a command, an event and a write to Temporal's index. So an order without
//! trouble keeps the attributes of its start, and only orders that wait for a decision or do not
//! complete change theirs. A workflow changes only attributes that it was started with. So whether
//! it does is in its history, and a namespace without the attributes refuses no change.

use crate::{money::Money, order::OrderInput};
use temporalio_common::{
    protos::temporal::api::enums::v1::IndexedValueType,
    search_attributes::{SearchAttributeKey, SearchAttributes},
};

/// The total when the order was accepted, in minor units of its currency. A number with decimal
/// places would be inexact.
pub const TOTAL: SearchAttributeKey<i64> = SearchAttributeKey::int("OrderTotal");
/// The currency's code (ISO 4217).
pub const CURRENCY: SearchAttributeKey<String> = SearchAttributeKey::keyword("OrderCurrency");
/// A keyed hash of the customer's id, so that the orders of one customer are found by one of them.
pub const CUSTOMER: SearchAttributeKey<String> = SearchAttributeKey::keyword("OrderCustomer");
/// The status, while the order waits for a decision, and when it has ended without being completed.
pub const STATUS: SearchAttributeKey<String> = SearchAttributeKey::keyword("OrderStatus");
/// The type of the refusal because of which the order failed ([`crate::activities::Refusal`]).
pub const FAILURE: SearchAttributeKey<String> = SearchAttributeKey::keyword("OrderFailure");

/// All attributes, with the types that they have in Temporal.
#[must_use]
pub fn all() -> [(&'static str, IndexedValueType); 5] {
    let keywords = [CURRENCY, CUSTOMER, STATUS, FAILURE].map(|key| (key.name(), key.indexed_value_type()));
    let [currency, customer, status, failure] = keywords;
    [(TOTAL.name(), TOTAL.indexed_value_type()), currency, customer, status, failure]
}

/// The attributes with which the workflow of an order starts.
#[must_use]
pub fn at_start(order: &OrderInput, customer: Option<String>) -> SearchAttributes {
    let known = [TOTAL.value_set(order.total_minor), CURRENCY.value_set(order.currency.code().to_owned())];
    SearchAttributes::new(known.into_iter().chain(customer.map(|hash| CUSTOMER.value_set(hash))))
}

/// The line that Temporal's UI shows above an order's workflow.
#[must_use]
pub fn summary(order: &OrderInput) -> String {
    let total = Money { minor: order.total_minor, currency: order.currency };
    let units: i64 = order.items.iter().map(|item| i64::from(item.quantity)).sum();
    format!("{total} {}, units: {units}", order.currency.code())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Currency, LineItem};
    use time::OffsetDateTime;

    #[test]
    fn a_start_says_total_and_currency_and_nothing_personal() {
        let order = OrderInput {
            id: "ord_01930000000070008000000000000001".parse().unwrap(),
            customer_id: "ann@shop.example".to_owned(),
            items: vec![LineItem { product_id: "P".to_owned(), quantity: 3, unit_price_minor: 129_999 }],
            total_minor: 389_997,
            currency: Currency::USD,
            payment_method: "tok_visa".to_owned(),
            contact: None,
            accepted_at: OffsetDateTime::UNIX_EPOCH,
        };
        let attributes = at_start(&order, Some("0123".to_owned()));
        assert_eq!((attributes.get(&TOTAL), attributes.get(&CURRENCY)), (Some(389_997), Some("USD".to_owned())));
        assert_eq!((attributes.get(&CUSTOMER), attributes.len()), (Some("0123".to_owned()), 3));
        assert!(at_start(&order, None).keys().eq(["OrderCurrency", "OrderTotal"]));
        assert_eq!(summary(&order), "3899.97 USD, units: 3");
        assert!(all().iter().all(|(name, _)| name.starts_with("Order")));
    }
}
