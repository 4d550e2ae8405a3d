//! The text form of times in the API, the events and the read model: RFC 3339 in UTC with three
//! fractional digits, such as `2026-11-21T09:00:00.120Z`. Such texts sort in the order of their
//! times.
//!
//! Use it as `#[serde(with = "orders::rfc3339")]`. Any RFC 3339 text is read, because earlier
//! releases omitted trailing zeros.

use serde::{Deserialize, Deserializer, Serializer, de::Error as _, ser::Error as _};
use std::borrow::Cow;
use time::{
    OffsetDateTime, UtcOffset,
    error::{Format, Parse},
    format_description::{BorrowedFormatItem, well_known::Rfc3339},
    macros::format_description,
};

const FORM: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// The text of a time. Digits below a millisecond are cut off.
///
/// # Errors
/// If the year has more than four digits.
pub fn text(at: OffsetDateTime) -> Result<String, Format> {
    at.to_offset(UtcOffset::UTC).format(FORM)
}

/// Reads a time in any form of RFC 3339.
///
/// # Errors
/// If the text is not RFC 3339.
pub fn parse(text: &str) -> Result<OffsetDateTime, Parse> {
    OffsetDateTime::parse(text, &Rfc3339)
}

pub fn serialize<S: Serializer>(at: &OffsetDateTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(*at).map_err(S::Error::custom)?)
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OffsetDateTime, D::Error> {
    parse(&Cow::<str>::deserialize(deserializer)?).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Serialize;
    use time::macros::datetime;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct At(#[serde(with = "super")] OffsetDateTime);

    #[test]
    fn three_digits_in_utc_whatever_the_time() {
        for (at, written) in [
            (datetime!(2026-11-21 09:00 UTC), "2026-11-21T09:00:00.000Z"),
            (datetime!(2026-11-21 09:00:00.12 UTC), "2026-11-21T09:00:00.120Z"),
            (datetime!(2026-11-21 09:00:00.123_999_9 UTC), "2026-11-21T09:00:00.123Z"),
            (datetime!(2026-11-21 09:00:00.5 +02:30), "2026-11-21T06:30:00.500Z"),
        ] {
            assert_eq!(serde_json::to_string(&At(at)).unwrap(), format!("\"{written}\""));
        }
    }

    #[test]
    fn every_form_is_read() {
        let at = At(datetime!(2026-11-21 09:00:00.12 UTC));
        for text in ["2026-11-21T09:00:00.12Z", "2026-11-21T09:00:00.120Z", "2026-11-21T10:00:00.120000+01:00"] {
            assert_eq!(serde_json::from_str::<At>(&format!("\"{text}\"")).unwrap(), at, "{text}");
        }
        for text in ["", "yesterday", "2026-11-21", "2026-11-21T09:00:00"] {
            assert!(serde_json::from_str::<At>(&format!("\"{text}\"")).is_err(), "{text}");
        }
    }
}
