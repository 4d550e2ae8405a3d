//! The request id. Every answer has one, and the log lines of the request contain it.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use orders::card_number;
use uuid::Uuid;

pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The id that the client or a proxy sent, if it is well-formed. Otherwise a new id.
#[derive(Clone, Debug)]
pub struct RequestId(HeaderValue);

impl RequestId {
    pub(super) fn from_headers(headers: &HeaderMap) -> Self {
        headers.get(HEADER).filter(|value| is_well_formed(value.as_bytes())).cloned().map_or_else(Self::make, Self)
    }

    /// Makes a new id.
    pub(super) fn make() -> Self {
        let text = Uuid::now_v7().to_string();
        // Hexadecimal digits and dashes are always a valid header value.
        Self(HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("none")))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    pub(super) fn into_header(self) -> HeaderValue {
        self.0
    }
}

/// Whether an id is short, contains only harmless characters, and is not a card number.
fn is_well_formed(id: &[u8]) -> bool {
    (1..=128).contains(&id.len())
        && id.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'=' | b':'))
        && str::from_utf8(id).is_ok_and(|id| !card_number::is_in(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_a_good_id_and_replaces_a_bad_one() {
        let id = |text: &str| {
            RequestId::from_headers(&HeaderMap::from_iter([(HEADER, HeaderValue::from_str(text).unwrap())])).as_str().to_owned()
        };
        assert_eq!(id("01H-abc_7.x"), "01H-abc_7.x");
        for text in ["", "two words", "<script>", "4242-4242-4242-4242", &"x".repeat(129)] {
            assert_eq!(Uuid::parse_str(&id(text)).unwrap().get_version_num(), 7, "{text}");
        }
    }
}
