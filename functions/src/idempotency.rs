//! Idempotency keys. A repeated `POST /api/orders` makes one order, a repeated refund or restock
//! happens once, and an order in review gets one review decision.
//!
//! Calls that move money or stock need a key. Without a key, nobody could safely repeat such a call
//! after its answer was lost.
//!
//! The first request with a key claims the key for the id of the order, refund or restock that it
//! will make, before anything is started. A later request with the key uses the same id and starts
//! the same workflow again. If the workflow was already started, this has no effect. If the first
//! request failed before it started the workflow, the later request starts it.
//!
//! A key belongs to its caller and to one body, byte for byte. A client that repeats a request
//! sends the body that it has kept. If the meaning of bodies were compared, a stored key would
//! depend on how the release that stored it reads orders.

pub(crate) mod request_limit;

use crate::{
    http::{Kind, Problem},
    identity::Caller,
};
use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::put_item::PutItemError,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use axum::http::HeaderMap;
use orders::{
    OrderId, card_number,
    json::{CARD_NUMBER, FieldError},
};
use platform::error::BoxError;
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fmt::{Display, Write},
    str::FromStr,
};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

/// How long a key is remembered.
const KEY_LIFETIME: Duration = Duration::hours(24);
/// The name of the header, and the pointer of the fault if the key is wrong.
const HEADER: &str = "Idempotency-Key";
/// Stands for the caller in every key if authentication is off.
const ANONYMOUS_CALLER: &str = "anonymous";

#[derive(clap::Args, Clone, Debug)]
#[group(id = "idempotency")]
pub struct Settings {
    /// Name of the DynamoDB table with the idempotency keys.
    #[arg(long, env = "IDEMPOTENCY_TABLE")]
    pub idempotency_table: String,
    /// The maximum number of requests of one kind about one order within an hour. The kinds are
    /// cancellations, amendments, reviews, tracking events of a shipment, and refunds. Further
    /// requests are answered 429. A request that is answered 503 does not count, except a refund.
    #[arg(long, env = "ORDER_REQUEST_LIMIT", default_value_t = 30)]
    pub order_request_limit: u32,
}

/// DynamoDB did not answer, or an item of the table is not as expected.
#[derive(Debug, thiserror::Error)]
#[error("the table of idempotency keys cannot be used")]
pub struct Error(#[source] BoxError);

impl Error {
    fn new(error: impl Into<BoxError>) -> Self {
        Self(error.into())
    }
}

/// A caller's well-formed key, in the form in which the table stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// Returns the request's key, if it has one. The key begins with a hash of the caller's
    /// subject. So the table does not name the caller, and two callers never have the same key.
    ///
    /// # Errors
    /// Fails if there are several keys, or the key is not 1 to 255 visible ASCII characters, or it
    /// contains a card number.
    pub fn from_headers(caller: &Caller, headers: &HeaderMap) -> Result<Option<Self>, FieldError> {
        let mut keys = headers.get_all(HEADER).iter();
        let fault = |message: &str| FieldError { pointer: HEADER.to_owned(), message: message.to_owned() };
        match (keys.next(), keys.next()) {
            (None, _) => Ok(None),
            (Some(key), None) if card_number::is_in(&String::from_utf8_lossy(key.as_bytes())) => Err(fault(CARD_NUMBER)),
            (Some(key), None) if (1..=255).contains(&key.len()) && key.as_bytes().iter().all(u8::is_ascii_graphic) => {
                let caller = caller.subject().map_or_else(|| ANONYMOUS_CALLER.to_owned(), |subject| sha256(subject.as_bytes()));
                Ok(Some(Self(format!("{caller}#{}", String::from_utf8_lossy(key.as_bytes())))))
            }
            _ => Err(fault("must be one key of 1 to 255 visible ASCII characters")),
        }
    }
}

impl Key {
    /// The key of an order's review. It stands for the first review decision. No caller's key has
    /// this form.
    #[must_use]
    pub fn for_review(id: OrderId) -> Self {
        Self(format!("review#{id}"))
    }
}

/// Returns the key of a call that cannot be repeated safely without one.
///
/// # Errors
/// 422 as for [`Key::from_headers`]; 400 if there is no key.
pub fn required_key(caller: &Caller, headers: &HeaderMap) -> Result<Key, Problem> {
    let key = Key::from_headers(caller, headers).map_err(|fault| Problem::invalid(vec![fault]))?;
    key.ok_or_else(|| {
        Problem::new(
            Kind::IdempotencyKeyRequired,
            "This call needs a header Idempotency-Key: a new one for each effect, the same one to repeat it.",
        )
    })
}

/// The result of claiming or looking up a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim<Id> {
    /// The key was new and now stands for the given id.
    New,
    /// The key already stands for this id, which was accepted at this time.
    Replay { id: Id, accepted_at: OffsetDateTime },
    /// The key already stands for another body.
    OtherBody,
}

impl<Id> Claim<Id> {
    /// Returns the id with which the request continues, and the time at which that id was accepted.
    /// If the key was new, these are the given values. Otherwise they are the values that the key
    /// already stands for.
    ///
    /// # Errors
    /// 422 if the key stands for another body.
    pub fn claimed_id(self, id: Id, accepted_at: OffsetDateTime) -> Result<(Id, OffsetDateTime), Problem> {
        match self {
            Self::New => Ok((id, accepted_at)),
            Self::Replay { id, accepted_at } => Ok((id, accepted_at)),
            Self::OtherBody => Err(Problem::new(
                Kind::IdempotencyKeyReused,
                "Another request was made with this Idempotency-Key; a new one needs a new key.",
            )),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Idempotency {
    pub(crate) dynamodb: Client,
    pub(crate) table: String,
    pub(crate) order_request_limit: u32,
}

impl Idempotency {
    #[must_use]
    pub fn new(dynamodb: Client, settings: Settings) -> Self {
        Self { dynamodb, table: settings.idempotency_table, order_request_limit: settings.order_request_limit }
    }

    /// Checks that DynamoDB answers and that the table exists.
    ///
    /// # Errors
    /// Fails if DynamoDB does not answer or the table does not exist.
    pub async fn ping(&self) -> Result<(), Error> {
        let describe = self.dynamodb.describe_table().table_name(&self.table);
        describe.send().await.map(|_| ()).map_err(Error::new)
    }

    /// Claims a key for an id, unless the key already stands for one.
    ///
    /// # Errors
    /// Fails if DynamoDB does not answer or the stored item cannot be read.
    pub async fn claim<Id>(&self, key: &Key, body: &[u8], id: Id, accepted_at: OffsetDateTime) -> Result<Claim<Id>, Error>
    where
        Id: Display + FromStr<Err: Display>,
    {
        let hash = sha256(body);
        let text = |value: String| AttributeValue::S(value);
        let put = self
            .dynamodb
            .put_item()
            .table_name(&self.table)
            .item("key", text(key.0.clone()))
            .item("orderId", text(id.to_string()))
            .item("bodyHash", text(hash.clone()))
            .item("acceptedAt", text(accepted_at.format(&Rfc3339).map_err(Error::new)?))
            .item("expiresAt", AttributeValue::N((accepted_at + KEY_LIFETIME).unix_timestamp().to_string()))
            // DynamoDB may remove an expired item only after days. Until then, the condition treats
            // it as absent.
            .condition_expression("attribute_not_exists(#key) OR expiresAt <= :now")
            .expression_attribute_names("#key", "key")
            .expression_attribute_values(":now", AttributeValue::N(accepted_at.unix_timestamp().to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.send().await {
            Ok(_) => Ok(Claim::New),
            Err(error) => earlier_claim(error, &hash),
        }
    }

    /// Returns what a key already stands for, without claiming it. `None` if the key is new.
    ///
    /// # Errors
    /// Fails if DynamoDB does not answer or the stored item cannot be read.
    pub async fn find_claim<Id>(&self, key: &Key, body: &[u8], now: OffsetDateTime) -> Result<Option<Claim<Id>>, Error>
    where
        Id: FromStr<Err: Display>,
    {
        let get = self.dynamodb.get_item().table_name(&self.table).key("key", AttributeValue::S(key.0.clone())).consistent_read(true);
        let found = get.send().await.map_err(Error::new)?;
        let is_remembered = |item: &HashMap<String, AttributeValue>| {
            let expires_at = item.get("expiresAt").and_then(|value| value.as_n().ok()).and_then(|digits| digits.parse::<i64>().ok());
            expires_at.is_some_and(|expires_at| expires_at > now.unix_timestamp())
        };
        found.item.filter(is_remembered).map(|item| parse_claim(&item, &sha256(body))).transpose()
    }
}

fn earlier_claim<Id: FromStr<Err: Display>>(error: SdkError<PutItemError>, hash: &str) -> Result<Claim<Id>, Error> {
    let Some(PutItemError::ConditionalCheckFailedException(refusal)) = error.as_service_error() else {
        return Err(Error::new(error));
    };
    parse_claim(refusal.item().ok_or_else(|| Error::new("DynamoDB did not return the item of the key"))?, hash)
}

fn parse_claim<Id: FromStr<Err: Display>>(item: &HashMap<String, AttributeValue>, hash: &str) -> Result<Claim<Id>, Error> {
    if attribute(item, "bodyHash")? != hash {
        return Ok(Claim::OtherBody);
    }
    let id = attribute(item, "orderId")?.parse().map_err(|error| Error::new(format!("orderId: {error}")))?;
    let accepted_at =
        OffsetDateTime::parse(attribute(item, "acceptedAt")?, &Rfc3339).map_err(|error| Error::new(format!("acceptedAt: {error}")))?;
    Ok(Claim::Replay { id, accepted_at })
}

fn attribute<'a>(item: &'a HashMap<String, AttributeValue>, name: &str) -> Result<&'a str, Error> {
    item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str).ok_or_else(|| Error::new(format!("an item lacks {name}")))
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn key(values: &[&[u8]]) -> Result<Option<Key>, FieldError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_bytes(value).unwrap());
        }
        Key::from_headers(&Caller::Anyone, &headers)
    }

    #[test]
    fn keys_are_visible_ascii() {
        assert_eq!(key(&[]), Ok(None));
        assert_eq!(key(&[b"8e03978e-40d5-43dd"]), Ok(Some(Key("anonymous#8e03978e-40d5-43dd".to_owned()))));
        assert_eq!(key(&[&[b'k'; 255]]), Ok(Some(Key(format!("anonymous#{}", "k".repeat(255))))));
        let bad: [&[&[u8]]; 5] = [&[b""], &[b"two words"], &[&[b'k'; 256]], &["schlüssel".as_bytes()], &[b"a", b"b"]];
        for values in bad {
            assert_eq!(key(values).unwrap_err().pointer, HEADER, "{values:?}");
        }
        assert_eq!(key(&[b"order-4242.4242.4242.4242"]).unwrap_err().message, CARD_NUMBER);
    }

    #[test]
    fn a_key_is_its_callers() {
        let headers = HeaderMap::from_iter([(HEADER.parse().unwrap(), HeaderValue::from_static("k"))]);
        let key_of = |subject: &str| Key::from_headers(&Caller::Customer { subject: subject.to_owned() }, &headers).unwrap().unwrap().0;
        assert_eq!(key_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad#k");
        assert_ne!(key_of("anonymous"), "anonymous#k");
        let staff = Key::from_headers(&Caller::Staff { subject: "abc".to_owned() }, &headers).unwrap().unwrap().0;
        assert_eq!(staff, key_of("abc"), "a customer who becomes staff keeps their keys");
    }

    #[test]
    fn hashes_as_the_standard_says() {
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
