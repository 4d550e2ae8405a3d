//! Failed calls of Stripe's API: what the answers mean, and whether another attempt may succeed
//! (<https://docs.stripe.com/error-low-level>).

use super::refusal::Refusal;
use crate::payment::Error;
use anyhow::anyhow;
use serde::Deserialize;

/// Why a call had no effect, or may have had none.
#[derive(Debug)]
pub(super) enum Failure {
    /// Stripe refuses the call. Repeating it at once changes nothing.
    Refused(Refusal),
    /// Stripe failed, was busy, or did not answer.
    Unavailable {
        error: anyhow::Error,
        /// True if Stripe has stored this answer, and repeats it for every request with the same
        /// idempotency key.
        stored: bool,
    },
}

#[derive(Deserialize)]
struct Document {
    error: Refusal,
}

/// The status and the relevant headers of an answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    pub(super) status: u16,
    /// Header `Idempotent-Replayed`: this is the stored answer to an earlier request.
    pub(super) replayed: bool,
    /// Header `Stripe-Should-Retry`. If it is true, another attempt may succeed, whatever the
    /// status is.
    pub(super) should_retry: Option<bool>,
    /// Header `Request-Id`, by which Stripe finds the request in its logs.
    pub(super) request_id: String,
}

impl Failure {
    pub(super) fn unavailable(error: impl Into<anyhow::Error>) -> Self {
        Self::Unavailable { error: error.into(), stored: false }
    }

    /// The failure that an answer reports; `None` if the call succeeded.
    pub(super) fn from_response(head: &Head, body: &[u8]) -> Option<Self> {
        let status = head.status;
        if (200..300).contains(&status) {
            return None;
        }
        let refusal = serde_json::from_slice(body).map(|document: Document| document.error).unwrap_or_default();
        // 401 and 403: the API key is at fault, not the order. 409: another request holds the lock
        // or uses the idempotency key. 424: a system behind Stripe failed. An idempotency error
        // with another status: the requests for an order have changed, so it is unknown what the
        // first ones did.
        let is_temporary = !(400..500).contains(&status)
            || matches!(status, 401 | 403 | 408 | 409 | 424 | 429)
            || refusal.kind == "idempotency_error"
            || head.should_retry == Some(true);
        if !is_temporary {
            return Some(Self::Refused(refusal));
        }
        let error = anyhow!("Stripe answered {status} ({}, request {})", refusal.codes(), head.request_id);
        Some(Self::Unavailable { error, stored: head.replayed && status >= 500 })
    }
}

/// For calls that authorize, capture or refund.
impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusal) if refusal.is_temporary() => Self::TemporarilyRefused(refusal.reason().to_owned()),
            Failure::Refused(refusal) => Self::Declined(refusal.reason().to_owned()),
            Failure::Unavailable { error, .. } => Self::Unavailable(error),
        }
    }
}

impl Failure {
    /// For calls that Stripe should never refuse. A refusal means that something is wrong, and that
    /// people must look into it.
    pub(super) fn into_unexpected_error(self) -> anyhow::Error {
        match self {
            Self::Refused(refusal) => anyhow!("Stripe refuses: {}", refusal.codes()),
            Self::Unavailable { error, .. } => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: u16, body: &str) -> Option<Failure> {
        Failure::from_response(&Head { status, ..Head::default() }, body.as_bytes())
    }

    #[test]
    fn a_temporary_failure_is_no_refusal() {
        for status in [302, 401, 403, 408, 409, 424, 429, 500, 502, 503, 504] {
            assert!(matches!(failure(status, "<html>"), Some(Failure::Unavailable { stored: false, .. })), "{status}");
        }
        let reused =
            r#"{"error":{"type":"idempotency_error","message":"Keys for idempotent requests can only be used with the same parameters"}}"#;
        assert!(matches!(failure(400, reused), Some(Failure::Unavailable { .. })));
        let head = Head { status: 400, should_retry: Some(true), ..Head::default() };
        assert!(matches!(Failure::from_response(&head, b"{}"), Some(Failure::Unavailable { .. })));
        assert!(failure(200, "").is_none());
    }

    #[test]
    fn a_refusal_keeps_its_codes_and_no_text() {
        let body =
            r#"{"error":{"type":"card_error","code":"card_declined","decline_code":"lost_card","message":"Your card was declined."}}"#;
        let Some(Failure::Refused(refusal)) = failure(402, body) else { panic!("no refusal") };
        assert_eq!(
            (refusal.kind.as_str(), refusal.code.as_deref(), refusal.decline_code.as_deref()),
            ("card_error", Some("card_declined"), Some("lost_card"))
        );
        assert!(matches!(failure(404, "no JSON"), Some(Failure::Refused(_))));
    }

    #[test]
    fn an_empty_balance_is_a_temporary_refusal() {
        let refused = |code: &str| failure(400, &format!(r#"{{"error":{{"type":"invalid_request_error","code":"{code}"}}}}"#)).unwrap();
        assert!(matches!(refused("balance_insufficient").into(), Error::TemporarilyRefused(_)));
        assert!(matches!(refused("charge_already_refunded").into(), Error::Declined(_)));
    }

    #[test]
    fn a_stored_failure_differs_from_a_new_one() {
        let head = Head { status: 500, replayed: true, ..Head::default() };
        assert!(matches!(Failure::from_response(&head, b""), Some(Failure::Unavailable { stored: true, .. })));
        let head = Head { status: 409, replayed: true, ..Head::default() };
        assert!(matches!(Failure::from_response(&head, b""), Some(Failure::Unavailable { stored: false, .. })));
    }
}
