//! The search attributes with which the workflows of orders are started.
//!
//! Temporal refuses a start with an attribute that the namespace does not have. No order may be
//! lost for that: it is started again without attributes, and for [`PAUSE`] so are the others. A
//! worker creates the attributes when it connects.

use orders::{OrderInput, search};
use platform::{
    error::chain,
    secrets::{self, Secret},
    temporal::Search,
};
use ring::hmac;
use serde::Deserialize;
use std::{
    fmt::Write as _,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use temporalio_common::search_attributes::SearchAttributes;
use tokio::{sync::OnceCell, time::timeout};

/// How long workflows are started without attributes after Temporal has refused the attributes, and
/// without a customer after the key could not be read.
const PAUSE: Duration = Duration::from_secs(10);
/// The length of the customer's hash, in bytes. It is long enough that two customers do not meet.
const HASH_BYTES: usize = 16;
/// How long an order waits for the key. Usually it was read when the process began.
const KEY_TIMEOUT: Duration = Duration::from_millis(500);

pub(super) struct SearchAttributesOfOrders {
    is_on: bool,
    key: CustomerKey,
    refused_at: LastFailure,
}

impl SearchAttributesOfOrders {
    pub(super) fn new(settings: &Search) -> Self {
        Self { is_on: settings.temporal_search_attributes, key: CustomerKey::new(settings), refused_at: LastFailure::default() }
    }

    /// Reads the key before the first order needs it.
    pub(super) async fn warm(&self) {
        if self.is_on {
            self.key.get().await;
        }
    }

    /// The attributes of an order; `None` if its workflow starts without attributes.
    pub(super) async fn of(&self, order: &OrderInput) -> Option<SearchAttributes> {
        if !self.is_on || self.refused_at.is_recent() {
            return None;
        }
        let key = timeout(KEY_TIMEOUT, self.key.get()).await.ok().flatten();
        Some(search::at_start(order, key.map(|key| customer_hash(key, &order.customer_id))))
    }

    /// Notes that Temporal has refused the attributes.
    pub(super) fn pause(&self, error: &super::Error) {
        self.refused_at.set();
        tracing::warn!(
            error = chain(error),
            "Temporal refuses the search attributes of orders; starting workflows without them for {} s",
            PAUSE.as_secs()
        );
    }
}

/// When something failed last.
#[derive(Default)]
struct LastFailure(Mutex<Option<Instant>>);

impl LastFailure {
    fn is_recent(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|at| at.elapsed() < PAUSE)
    }

    fn set(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

/// The key of the customers' hashes, from a setting or from a secret. It is read once: with another
/// key, the orders of one customer would have different hashes.
struct CustomerKey {
    /// The ARN of the secret; `None` if the key is a setting.
    secret: Option<String>,
    key: OnceCell<Option<hmac::Key>>,
    unread_at: LastFailure,
}

#[derive(Deserialize)]
struct KeySecret {
    key: String,
}

impl Secret for KeySecret {
    const WANTED: &'static str = "key";

    fn is_complete(&self) -> bool {
        !self.key.is_empty()
    }
}

impl CustomerKey {
    fn new(settings: &Search) -> Self {
        let secret = settings.temporal_customer_secret_arn.clone();
        let key = settings.temporal_customer_key.as_deref().filter(|key| !key.is_empty()).map(hmac_key);
        let key = if secret.is_some() { OnceCell::new() } else { OnceCell::new_with(Some(key)) };
        Self { secret, key, unread_at: LastFailure::default() }
    }

    /// The key; `None` if there is none, or if it cannot be read now.
    async fn get(&self) -> Option<&hmac::Key> {
        let read = async || {
            if self.unread_at.is_recent() {
                return Err(());
            }
            let arn = self.secret.as_deref().unwrap_or_default();
            let secret = secrets::read::<KeySecret>("TEMPORAL_CUSTOMER_SECRET_ARN", arn).await;
            secret.map(|secret| Some(hmac_key(&secret.key))).map_err(|error| {
                self.unread_at.set();
                tracing::warn!(error = chain(&error), "starting workflows without their customers' hash for {} s", PAUSE.as_secs());
            })
        };
        self.key.get_or_try_init(read).await.ok().and_then(Option::as_ref)
    }
}

fn hmac_key(key: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes())
}

/// A hash that only somebody with the key can compute. Ids of customers can be guessed, such as
/// e-mail addresses, so a hash without a key would not hide them.
fn customer_hash(key: &hmac::Key, customer_id: &str) -> String {
    let tag = hmac::sign(key, customer_id.as_bytes());
    tag.as_ref()[..HASH_BYTES].iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::OffsetDateTime;

    fn search_with(on: bool, key: Option<&str>) -> SearchAttributesOfOrders {
        SearchAttributesOfOrders::new(&Search {
            temporal_search_attributes: on,
            temporal_customer_key: key.map(str::to_owned),
            temporal_customer_secret_arn: None,
        })
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

    #[tokio::test]
    async fn attributes_are_set_only_if_they_are_on_and_were_not_refused() {
        assert!(search_with(false, None).of(&order()).await.is_none());
        let search = search_with(true, None);
        assert_eq!(search.of(&order()).await.map(|attributes| attributes.len()), Some(2));
        search.pause(&crate::workflows::Error::TimedOut);
        assert!(search.of(&order()).await.is_none());
    }

    #[tokio::test]
    async fn a_customer_is_hashed_with_the_key() {
        let hash = async |key: &str| search_with(true, Some(key)).of(&order()).await.unwrap().get(&search::CUSTOMER);
        // printf CUST-1 | openssl dgst -sha256 -hmac key | cut -c1-32
        assert_eq!(hash("key").await.as_deref(), Some("c9bd8e17aaa543dfee6e68a8fd56b8aa"));
        assert_ne!(hash("key").await, hash("other").await);
        assert_eq!(hash("").await, None);
    }

    #[tokio::test]
    async fn an_order_without_a_readable_key_has_its_other_attributes() {
        let search = search_with(true, None);
        let key = CustomerKey { secret: Some("arn".to_owned()), key: OnceCell::new(), unread_at: LastFailure::default() };
        key.unread_at.set();
        assert_eq!(SearchAttributesOfOrders { key, ..search }.of(&order()).await.map(|attributes| attributes.len()), Some(2));
    }
}
