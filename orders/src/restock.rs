//! Restocks: adding received units to a product's stock.

use crate::{
    id::RestockId,
    json::{FieldErrors, Object},
    request::{self, Error},
};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use time::OffsetDateTime;

/// How many units one request may add.
pub const QUANTITY: RangeInclusive<i32> = 1..=1_000_000;

/// The input of [`crate::RestockWorkflow`] and of the `RestockProduct` activity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestockInput {
    pub id: RestockId,
    pub product_id: String,
    pub request: RestockRequest,
    /// Who requested the restock: the subject of their access token. `None` when authentication is
    /// off.
    pub by: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub requested_at: OffsetDateTime,
}

/// A requested restock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestockRequest {
    pub quantity: i32,
    /// For people to read; no code depends on it.
    pub reason: Option<String>,
}

/// The result of a restock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restocked {
    /// Units that can be sold now. `None` if the product does not exist.
    pub stock: Option<i64>,
}

impl RestockRequest {
    /// Reads the body of `POST /api/products/{id}/restock`: `{"quantity","reason"?}`.
    ///
    /// # Errors
    /// As [`request::NewOrder::parse`].
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let mut faults = FieldErrors::default();
        let request = Object::read(request::document(body)?, String::new(), &mut faults).and_then(|object| read(object, &mut faults));
        match request {
            Some(request) if faults.is_empty() => Ok(request),
            _ => Err(Error::Invalid(faults.into_vec())),
        }
    }
}

fn read(mut object: Object<'_>, faults: &mut FieldErrors) -> Option<RestockRequest> {
    let quantity = object.required("quantity", faults).and_then(|value| request::whole_number(value, "/quantity", &QUANTITY, faults));
    let reason = object.optional("reason").and_then(|value| request::reason(value, faults));
    object.end(faults);
    Some(RestockRequest { quantity: quantity?, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<RestockRequest, Vec<String>> {
        RestockRequest::parse(body.as_bytes()).map_err(|error| match error {
            Error::Invalid(faults) => faults.into_iter().map(|fault| fault.pointer).collect(),
            Error::Malformed(text) => vec![text],
        })
    }

    #[test]
    fn reads_how_much_came_in_and_why() {
        let request = |quantity, reason: Option<&str>| RestockRequest { quantity, reason: reason.map(str::to_owned) };
        assert_eq!(parse(r#"{"quantity":1}"#), Ok(request(1, None)));
        assert_eq!(parse(r#"{"quantity":1000000,"reason":" delivery 7 "}"#), Ok(request(1_000_000, Some("delivery 7"))));
        assert_eq!(parse(r#"{"quantity":5,"reason":null}"#), Ok(request(5, None)));
    }

    #[test]
    fn names_every_fault() {
        for (body, pointers) in [
            ("{}", &["/quantity"][..]),
            ("[]", &[""]),
            (r#"{"quantity":0}"#, &["/quantity"]),
            (r#"{"quantity":-1}"#, &["/quantity"]),
            (r#"{"quantity":1000001}"#, &["/quantity"]),
            (r#"{"quantity":1.5}"#, &["/quantity"]),
            (r#"{"quantity":"1"}"#, &["/quantity"]),
            (r#"{"quantity":1,"quantity":2}"#, &["/quantity"]),
            (r#"{"reason":7,"x":1}"#, &["/quantity", "/reason", "/x"]),
        ] {
            assert_eq!(parse(body), Err(pointers.iter().map(|&pointer| pointer.to_owned()).collect()), "{body}");
        }
        assert_eq!(parse("").unwrap_err().len(), 1);
    }
}
