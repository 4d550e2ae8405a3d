//! Signatures of webhooks, in the scheme that Stripe documents. The header is `t=SECONDS,v1=HEX`.
//! HEX is the HMAC-SHA256 of the time, a dot, and the body as it was sent, under a secret that both
//! sides know. While a secret is being replaced, there is a `v1` for each of the two secrets.
//!
//! The time is signed so that nobody can send the request again much later. Within the tolerance,
//! the same request can arrive twice, so its effect must be idempotent.

use ring::hmac;

/// The maximum difference between the signature's time and the time here, in seconds. Stripe's own
/// libraries use the same value.
pub const TOLERANCE_S: u64 = 300;
/// The maximum number of signatures that are checked. Each check reads the whole body, and anybody
/// can send a request.
const MAX_SIGNATURES: usize = 8;

/// Why a signature is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the signature cannot be read")]
    Malformed,
    #[error("the signature belongs to another body or to another secret")]
    Wrong,
    #[error("the time of the signature differs by more than {TOLERANCE_S} s from the server's time")]
    Old,
}

/// Verifies that the body was signed with this secret, at most [`TOLERANCE_S`] seconds before or
/// after `now`. `now` is in seconds since 1970.
///
/// # Errors
/// Fails if the signature cannot be read, does not match, or has another time.
pub fn verify(header: &str, secret: &[u8], body: &[u8], now: i64) -> Result<(), Error> {
    let fields = || header.split(',').filter_map(|field| field.trim().split_once('='));
    let time = fields().find(|(name, _)| *name == "t").map(|(_, time)| time).ok_or(Error::Malformed)?;
    let signed_at: i64 = time.parse().map_err(|_| Error::Malformed)?;
    let mut signatures = fields().filter(|(name, _)| *name == "v1").take(MAX_SIGNATURES).peekable();
    signatures.peek().ok_or(Error::Malformed)?;

    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let message = [time.as_bytes(), b".", body].concat();
    // ring compares in constant time.
    let is_right = |hex: &str| bytes(hex).is_some_and(|signature| hmac::verify(&key, &message, &signature).is_ok());
    if !signatures.any(|(_, hex)| is_right(hex)) {
        return Err(Error::Wrong);
    }
    if now.abs_diff(signed_at) > TOLERANCE_S { Err(Error::Old) } else { Ok(()) }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = hex.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect();
    let (pairs, []) = digits.as_ref()?.as_chunks::<2>() else { return None };
    Some(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"whsec_test_secret";
    const BODY: &[u8] = br#"{"id":"evt_test_webhook","object":"event"}"#;
    const NOW: i64 = 1_795_251_600;

    fn signature(secret: &[u8], body: &[u8], time: &str) -> String {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), &[time.as_bytes(), b".", body].concat());
        tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn header(secret: &[u8], time: i64) -> String {
        format!("t={time},v1={}", signature(secret, BODY, &time.to_string()))
    }

    #[test]
    fn it_is_the_hmac_of_time_dot_body() {
        // The value comes from this command:
        // printf '1795251600.{"id":"evt_test_webhook","object":"event"}' |
        //     openssl dgst -sha256 -hmac whsec_test_secret
        let known = "079dd0e6ca626e13d989c61637745caf01827f35f9fabca3a92e046d2773f92c";
        assert_eq!(signature(SECRET, BODY, "1795251600"), known);
        assert_eq!(verify(&format!("t={NOW},v1={known}"), SECRET, BODY, NOW), Ok(()));
        assert_eq!(verify(&format!("t={NOW},v1={}", known.to_uppercase()), SECRET, BODY, NOW), Ok(()));
    }

    #[test]
    fn another_body_time_or_secret_is_refused() {
        let good = header(SECRET, NOW);
        assert_eq!(verify(&good, SECRET, b"{}", NOW), Err(Error::Wrong));
        assert_eq!(verify(&good, b"whsec_other", BODY, NOW), Err(Error::Wrong));
        assert_eq!(verify(&good.replace(&NOW.to_string(), &(NOW + 1).to_string()), SECRET, BODY, NOW), Err(Error::Wrong));
        assert_eq!(verify(&good[..good.len() - 2], SECRET, BODY, NOW), Err(Error::Wrong));
    }

    #[test]
    fn it_holds_for_five_minutes() {
        for (age, expected) in [(300, Ok(())), (301, Err(Error::Old)), (-300, Ok(())), (-301, Err(Error::Old))] {
            assert_eq!(verify(&header(SECRET, NOW - age), SECRET, BODY, NOW), expected, "{age} s");
        }
    }

    #[test]
    fn one_good_signature_of_several_is_enough() {
        let good = signature(SECRET, BODY, &NOW.to_string());
        let bad = "0".repeat(64);
        for fields in [format!("v1={bad},v1={good}"), format!("v0={bad}, v1={good}"), format!("v1={good},v1=zz,x")] {
            assert_eq!(verify(&format!("t={NOW},{fields}"), SECRET, BODY, NOW), Ok(()), "{fields}");
        }
        // A `v0` signature, which Stripe adds in test mode, does not count.
        assert_eq!(verify(&format!("t={NOW},v0={good}"), SECRET, BODY, NOW), Err(Error::Malformed));
        let flood = format!("v1={bad},").repeat(MAX_SIGNATURES);
        assert_eq!(verify(&format!("t={NOW},{flood}v1={good}"), SECRET, BODY, NOW), Err(Error::Wrong));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for header in ["", "t=", "v1=00", "t=now,v1=00", "t=1795251600", "t=99999999999999999999,v1=00", "t=1795251600;v1=00"] {
            assert_eq!(verify(header, SECRET, BODY, NOW), Err(Error::Malformed), "{header}");
        }
        for hex in ["", "0", "é", "0x", "zz"] {
            assert_eq!(verify(&format!("t={NOW},v1={hex}"), SECRET, BODY, NOW), Err(Error::Wrong), "{hex}");
        }
    }
}
