//! The reasons for which a token is refused.

use crate::http::{Kind, Problem};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Missing,
    Unreadable,
    UnknownKey,
    BadSignature,
    WrongIssuer,
    Expired,
    NotYet,
    WrongAudience,
    NotAccessToken,
    WrongScope,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (kind, detail) = match refusal {
            Refusal::Missing => (Kind::Unauthenticated, "This call needs a header Authorization with a bearer token."),
            Refusal::Unreadable => (Kind::InvalidToken, "The token is not a JSON Web Token signed with RS256 or ES256."),
            Refusal::UnknownKey => (Kind::InvalidToken, "The token is signed with a key that its issuer does not have."),
            Refusal::BadSignature => (Kind::InvalidToken, "The token's signature is wrong."),
            Refusal::WrongIssuer => (Kind::InvalidToken, "The token is of another issuer."),
            Refusal::Expired => (Kind::InvalidToken, "The token has expired."),
            Refusal::NotYet => (Kind::InvalidToken, "The token is not valid yet."),
            Refusal::WrongAudience => (Kind::InvalidToken, "The token is for another audience."),
            Refusal::NotAccessToken => (Kind::InvalidToken, "The token is not an access token."),
            Refusal::WrongScope => (Kind::InsufficientScope, "The token lacks the scope that this call needs."),
        };
        Self::new(kind, detail)
    }
}
