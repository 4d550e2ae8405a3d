//! Order ids: `ord_` and the 32 hex digits of a UUIDv7, so that ids sort by time. The same string is the workflow's id.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

/// The id of an order and of its workflow. A value of this type is always well-formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrderId(Uuid);

/// The text is not an order id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an order id: expected ord_ and 32 lower-case hex digits")]
pub struct NotAnOrderId;

const PREFIX: &str = "ord_";

impl OrderId {
    /// The id for a UUIDv7 that the caller made; this crate has neither clock nor randomness.
    #[must_use]
    pub fn new(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.0.simple())
    }
}

impl FromStr for OrderId {
    type Err = NotAnOrderId;

    fn from_str(text: &str) -> Result<Self, NotAnOrderId> {
        let digits = text.strip_prefix(PREFIX).ok_or(NotAnOrderId)?;
        let canonical = digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !canonical {
            return Err(NotAnOrderId);
        }
        Uuid::try_parse(digits).map(Self).map_err(|_| NotAnOrderId)
    }
}

impl TryFrom<String> for OrderId {
    type Error = NotAnOrderId;

    fn try_from(text: String) -> Result<Self, NotAnOrderId> {
        text.parse()
    }
}

impl From<OrderId> for String {
    fn from(id: OrderId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_writes() {
        let id = OrderId::new(Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0001));
        assert_eq!(id.to_string(), "ord_01930000000070008000000000000001");
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "ord_",
            "01930000000070008000000000000001",
            "ord_0193000000007000800000000000000G",
            "ord_01930000000070008000000000000001/..",
            "ord_0193-0000-0000-7000-8000-0000-000001",
            "ORD_01930000000070008000000000000001",
            "ord_0193000000007000800000000000000A",
        ] {
            assert_eq!(text.parse::<OrderId>(), Err(NotAnOrderId), "{text}");
        }
    }
}
