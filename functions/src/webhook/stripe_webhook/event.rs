//! The fields of Stripe's events that are read (<https://docs.stripe.com/api/events/types>).

use crate::http::{Kind, Problem};
use orders::{OrderId, reconciliation::PaymentEvent};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The types of events after which a payment's status at Stripe may differ from the status on
/// record.
const RECONCILED_EVENTS: [&str; 4] =
    ["payment_intent.succeeded", "payment_intent.canceled", "payment_intent.payment_failed", "charge.refunded"];
/// The longest event id that is accepted, in bytes. Stripe's ids have about 30 bytes.
const MAX_ID_BYTES: usize = 128;

/// An event of Stripe's API.
#[derive(Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = StripeEvent))]
pub(super) struct Event {
    id: String,
    r#type: String,
    #[cfg_attr(test, schema(inline))]
    data: Data,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
struct Data {
    #[cfg_attr(test, schema(inline))]
    object: Object,
}

/// A payment intent, a charge, or another object.
#[derive(Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
struct Object {
    id: Option<String>,
    /// The payment intent that a charge belongs to.
    payment_intent: Option<String>,
    /// Has the `order_id` of the order; a charge has the metadata of its payment intent.
    metadata: Option<BTreeMap<String, String>>,
}

impl Event {
    /// The payment of an order that the event is about. `None` if it belongs to no order.
    pub(super) fn payment(&self) -> Option<PaymentEvent> {
        if !RECONCILED_EVENTS.contains(&self.r#type.as_str()) {
            return None;
        }
        let object = &self.data.object;
        let order_id: OrderId = object.metadata.as_ref()?.get("order_id")?.parse().ok()?;
        let reference = if self.r#type.starts_with("charge.") { object.payment_intent.clone()? } else { object.id.clone()? };
        Some(PaymentEvent { gateway: "stripe".to_owned(), order_id, reference })
    }

    /// The id of the workflow that reconciles the payment.
    ///
    /// # Errors
    /// 400 if the event's id does not have the form of Stripe's ids.
    pub(super) fn workflow_id(&self) -> Result<String, Problem> {
        let is_valid = (1..=MAX_ID_BYTES).contains(&self.id.len()) && self.id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if is_valid {
            Ok(format!("stripe_{}", self.id))
        } else {
            Err(Problem::new(Kind::MalformedRequest, "The event's id does not have the form of Stripe's ids."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const ORDER: &str = "ord_01930000000070008000000000000001";

    fn payment(r#type: &str, object: Value) -> Option<PaymentEvent> {
        let event = json!({ "id": "evt_1", "object": "event", "type": r#type, "data": { "object": object } });
        serde_json::from_value::<Event>(event).unwrap().payment()
    }

    #[test]
    fn an_event_names_the_order_and_its_intent() {
        let expected = PaymentEvent { gateway: "stripe".to_owned(), order_id: ORDER.parse().unwrap(), reference: "pi_1".to_owned() };
        let intent = json!({ "id": "pi_1", "object": "payment_intent", "metadata": { "order_id": ORDER } });
        for r#type in ["payment_intent.succeeded", "payment_intent.canceled", "payment_intent.payment_failed"] {
            assert_eq!(payment(r#type, intent.clone()).as_ref(), Some(&expected), "{type}");
        }
        let charge = json!({ "id": "ch_1", "object": "charge", "payment_intent": "pi_1", "metadata": { "order_id": ORDER } });
        assert_eq!(payment("charge.refunded", charge), Some(expected));
    }

    #[test]
    fn what_is_not_about_an_order_of_ours_is_none() {
        let intent = |metadata: Value| json!({ "id": "pi_1", "metadata": metadata });
        assert_eq!(payment("payment_intent.created", intent(json!({ "order_id": ORDER }))), None);
        for metadata in [json!({}), json!(null), json!({ "order_id": "6735" })] {
            assert_eq!(payment("payment_intent.succeeded", intent(metadata)), None);
        }
        assert_eq!(payment("charge.refunded", json!({ "id": "ch_1", "payment_intent": null, "metadata": { "order_id": ORDER } })), None);
        assert_eq!(payment("customer.created", json!({ "object": "customer" })), None);
    }

    #[test]
    fn an_id_is_a_workflows_id_only_if_it_is_one() {
        let workflow_id = |id: &str| {
            let event = json!({ "id": id, "type": "x", "data": { "object": {} } });
            serde_json::from_value::<Event>(event).unwrap().workflow_id().ok()
        };
        assert_eq!(workflow_id("evt_1NG8Du2eZvKYlo2C").as_deref(), Some("stripe_evt_1NG8Du2eZvKYlo2C"));
        for id in ["", "evt 1", "evt/1", &"e".repeat(129)] {
            assert_eq!(workflow_id(id), None, "{id}");
        }
    }
}
