//! The search attributes with which the workflows of orders are started.
//!
//! Temporal refuses a start with an attribute that the namespace does not have. No order may be
//! lost for that: it is started again without attributes, and for [`PAUSE`] so are the others. A
//! worker creates the attributes when it connects.

use orders::{OrderInput, search};
use platform::temporal::Search;
use ring::hmac;
use std::{
    fmt::Write as _,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use temporalio_common::search_attributes::SearchAttributes;

/// How long workflows are started without attributes after Temporal has refused the attributes.
const PAUSE: Duration = Duration::from_secs(10);
/// The length of the customer's hash, in bytes. It is long enough that two customers do not meet.
const HASH_BYTES: usize = 16;

pub(super) struct SearchAttributesOfOrders {
    is_on: bool,
    customer_key: Option<hmac::Key>,
    refused_at: Mutex<Option<Instant>>,
}

impl SearchAttributesOfOrders {
    pub(super) fn new(settings: &Search) -> Self {
        let key = settings.temporal_customer_key.as_deref().filter(|key| !key.is_empty());
        let customer_key = key.map(|key| hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()));
        Self { is_on: settings.temporal_search_attributes, customer_key, refused_at: Mutex::default() }
    }

    /// The attributes of an order; `None` if its workflow starts without attributes.
    pub(super) fn of(&self, order: &OrderInput) -> Option<SearchAttributes> {
        let is_paused =
            || self.refused_at.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|refused_at| refused_at.elapsed() < PAUSE);
        (self.is_on && !is_paused()).then(|| search::at_start(order, self.customer_hash(&order.customer_id)))
    }

    /// Notes that Temporal has refused the attributes.
    pub(super) fn pause(&self, error: &super::Error) {
        *self.refused_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        tracing::warn!(
            error = platform::error::chain(error),
            "Temporal refuses the search attributes of orders; starting workflows without them for {} s",
            PAUSE.as_secs()
        );
    }

    /// A hash that only somebody with the key can compute. Ids of customers can be guessed, such as
    /// e-mail addresses, so a hash without a key would not hide them.
    fn customer_hash(&self, customer_id: &str) -> Option<String> {
        let tag = hmac::sign(self.customer_key.as_ref()?, customer_id.as_bytes());
        Some(tag.as_ref()[..HASH_BYTES].iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::OffsetDateTime;

    fn search_with(on: bool, key: Option<&str>) -> SearchAttributesOfOrders {
        SearchAttributesOfOrders::new(&Search { temporal_search_attributes: on, temporal_customer_key: key.map(str::to_owned) })
    }

    fn order() -> OrderInput {
        OrderInput {
            id: "ord_01930000000070008000000000000001".parse().unwrap(),
            customer_id: "CUST-1".to_owned(),
            items: Vec::new(),
            total_minor: 5,
            currency: orders::Currency::USD,
            payment_method: String::new(),
            contact: None,
            accepted_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn attributes_are_set_only_if_they_are_on_and_were_not_refused() {
        assert!(search_with(false, None).of(&order()).is_none());
        let search = search_with(true, None);
        assert_eq!(search.of(&order()).map(|attributes| attributes.len()), Some(2));
        search.pause(&crate::workflows::Error::TimedOut);
        assert!(search.of(&order()).is_none());
    }

    #[test]
    fn a_customer_is_hashed_with_the_key() {
        let hash = |key: &str| search_with(true, Some(key)).of(&order()).unwrap().get(&search::CUSTOMER);
        // printf CUST-1 | openssl dgst -sha256 -hmac key | cut -c1-32
        assert_eq!(hash("key").as_deref(), Some("c9bd8e17aaa543dfee6e68a8fd56b8aa"));
        assert_ne!(hash("key"), hash("other"));
        assert_eq!(hash(""), None);
    }
}
