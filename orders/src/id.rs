//! Ids: a prefix and the 32 hexadecimal digits of a UUIDv7, so that ids sort by time. The id of an
//! order, a refund or a restock is also the id of its workflow.

use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt, str::FromStr};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};
use uuid::Uuid;

/// Declares an id type with its prefix. A value of such a type is always well-formed.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $description:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// The id for a UUIDv7 of the caller. This crate has no clock and no randomness.
            #[must_use]
            pub fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, self.0.simple())
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let digits = text.strip_prefix($prefix).ok_or(NotAnId($prefix))?;
                let canonical = digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                if !canonical {
                    return Err(NotAnId($prefix));
                }
                Uuid::try_parse(digits).map(Self).map_err(|_| NotAnId($prefix))
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAnId;

            fn try_from(text: String) -> Result<Self, NotAnId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let pattern = concat!("^", $prefix, "[0-9a-f]{32}$");
                crate::schema::text().pattern(Some(pattern)).description(Some($description)).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        }
    };
}

id!(
    /// The id of an order and of its workflow.
    OrderId,
    "ord_",
    "Also the id of the order's workflow. Ids sort by time."
);
impl OrderId {
    #[must_use]
    pub fn uuid(self) -> Uuid {
        self.0
    }
}

id!(
    /// The id of a refund and of its workflow.
    RefundId,
    "ref_",
    "`ref_` and a UUIDv7 in hex digits."
);
id!(
    /// The id of a restock and of its workflow.
    RestockId,
    "rst_",
    "`rst_` and a UUIDv7 in hex digits; also the workflow's id."
);

/// Error: the text is not an id of this type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected {0} and 32 lower-case hex digits")]
pub struct NotAnId(&'static str);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_writes() {
        let id = OrderId::new(Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0001));
        assert_eq!(id.to_string(), "ord_01930000000070008000000000000001");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().parse::<RefundId>(), Err(NotAnId("ref_")));
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
            assert_eq!(text.parse::<OrderId>(), Err(NotAnId("ord_")), "{text}");
        }
    }
}
