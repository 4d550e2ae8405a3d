//! The token in the header `Authorization` (RFC 6750).

use super::{claims::Claims, keys::Keys, refusal::Refusal};
use crate::http::Problem;
use axum::http::{HeaderMap, header};
use jsonwebtoken::{Validation, decode, decode_header, errors::ErrorKind};

/// Returns the request's bearer token. Fails if there is none, or more than one `Authorization`.
pub(super) fn bearer_token(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(Refusal::Missing)?;
    if values.next().is_some() {
        return Err(Refusal::Unreadable);
    }
    let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(Refusal::Missing)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(Refusal::Missing) }
}

/// Verifies the signature of a token and returns its claims. The caller must check the claims with
/// the policy.
pub(super) async fn verify(token: &str, keys: &Keys) -> Result<Claims, Problem> {
    let header = decode_header(token).map_err(|_| Refusal::Unreadable)?;
    // A token with a critical extension must be refused if the extension is not known (RFC 7515,
    // 4.1.11). No extension is known here.
    let (Some(kid), None) = (header.kid, header.crit) else { return Err(Refusal::Unreadable.into()) };
    let key = keys.find(&kid).await.map_err(|error| Problem::unavailable("Tokens cannot be verified right now; try again.", error))?;
    let key = key.ok_or(Refusal::UnknownKey)?;
    // The algorithm comes from the key and not from the token. So a public key is never used as a
    // shared secret.
    let mut signature_alone = Validation::new(key.algorithm);
    signature_alone.required_spec_claims.clear();
    signature_alone.validate_exp = false;
    signature_alone.validate_aud = false;
    match decode::<Claims>(token, &key.decoding, &signature_alone) {
        Ok(token) => Ok(token.claims),
        Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => Err(Refusal::BadSignature.into()),
        Err(_) => Err(Refusal::Unreadable.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn reads_one_bearer_token() {
        let token_of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
            }
            bearer_token(&headers).map(str::to_owned)
        };
        assert_eq!(token_of(&["Bearer a.b.c"]), Ok("a.b.c".to_owned()));
        assert_eq!(token_of(&["bearer  a.b.c "]), Ok("a.b.c".to_owned()));
        for none in [&[][..], &["Basic YTpi"], &["a.b.c"], &["Bearer"]] {
            assert_eq!(token_of(none), Err(Refusal::Missing), "{none:?}");
        }
        assert_eq!(token_of(&["Bearer a.b.c", "Bearer a.b.c"]), Err(Refusal::Unreadable));
    }
}
