//! The claims of a token, and the policy that they must satisfy.

use super::{Caller, refusal::Refusal};
use serde::Deserialize;

/// The maximum difference between the issuer's clock and the clock here, in seconds.
const LEEWAY: i64 = 60;

/// The claims that are read. Other claims are ignored.
#[derive(Clone, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) sub: String,
    /// Seconds since 1970, like all times in tokens.
    pub(super) exp: i64,
    pub(super) nbf: Option<i64>,
    #[serde(default)]
    pub(super) aud: Names,
    /// The client id, which Cognito's access tokens have instead of an audience.
    pub(super) client_id: Option<String>,
    /// In Cognito's tokens, `access` marks an access token.
    pub(super) token_use: Option<String>,
    #[serde(default)]
    pub(super) scope: Names,
    /// Some issuers use this name for the scope.
    #[serde(default)]
    pub(super) scp: Names,
    #[serde(default)]
    pub(super) groups: Names,
    #[serde(default, rename = "cognito:groups")]
    pub(super) cognito_groups: Names,
}

/// One name or a list of names. If there is only one, some issuers write it as a list and some do
/// not.
#[derive(Clone, Default, Deserialize)]
#[serde(from = "OneOrMany")]
pub(super) struct Names(pub(super) Vec<String>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl From<OneOrMany> for Names {
    fn from(names: OneOrMany) -> Self {
        match names {
            OneOrMany::One(name) => Self(vec![name]),
            OneOrMany::Many(names) => Self(names),
        }
    }
}

impl Names {
    fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl Claims {
    pub(super) fn into_caller(self) -> Caller {
        Caller::new(self.sub, self.cognito_groups.iter().chain(self.groups.iter()))
    }

    /// Whether the token has this scope. One text may contain several scopes, separated by spaces.
    fn has_scope(&self, scope: &str) -> bool {
        self.scope.iter().chain(self.scp.iter()).flat_map(str::split_whitespace).any(|had| had == scope)
    }
}

/// The rules for the claims of a correctly signed token.
pub(super) struct Policy {
    pub(super) issuer: String,
    pub(super) audiences: Vec<String>,
    pub(super) scope: Option<String>,
}

impl Policy {
    /// Checks the claims. `now` is in seconds since 1970.
    pub(super) fn check(&self, claims: &Claims, now: i64) -> Result<(), Refusal> {
        if claims.iss != self.issuer {
            return Err(Refusal::WrongIssuer);
        }
        if claims.exp.saturating_add(LEEWAY) <= now {
            return Err(Refusal::Expired);
        }
        if claims.nbf.is_some_and(|from| from.saturating_sub(LEEWAY) > now) {
            return Err(Refusal::NotYet);
        }
        if !self.is_for_us(claims) {
            return Err(Refusal::WrongAudience);
        }
        // An identity token is only for the client, and a refresh token is only for the issuer.
        if claims.token_use.as_deref().is_some_and(|used| used != "access") {
            return Err(Refusal::NotAccessToken);
        }
        if claims.sub.is_empty() {
            return Err(Refusal::Unreadable);
        }
        match &self.scope {
            Some(scope) if !claims.has_scope(scope) => Err(Refusal::WrongScope),
            _ => Ok(()),
        }
    }

    /// Whether the token is for this API. As in API Gateway, the client id counts only if the token
    /// has no audience.
    fn is_for_us(&self, claims: &Claims) -> bool {
        let named = if claims.aud.0.is_empty() { claims.client_id.as_slice() } else { &claims.aud.0 };
        named.iter().any(|audience| self.audiences.contains(audience))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const NOW: i64 = 1_800_000_000;

    fn check(scope: Option<&str>, change: Value) -> Result<(), Refusal> {
        let mut token = json!({ "iss": "https://i", "sub": "ada", "exp": NOW + 1, "aud": "shop", "unknown": { "is": "ignored" } });
        for (name, value) in change.as_object().unwrap() {
            token[name] = value.clone();
        }
        token.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let policy = Policy {
            issuer: "https://i".to_owned(),
            audiences: vec!["shop".to_owned(), "app".to_owned()],
            scope: scope.map(str::to_owned),
        };
        policy.check(&serde_json::from_value(token).unwrap(), NOW)
    }

    #[test]
    fn good_tokens_are_good_in_every_spelling() {
        for change in [
            json!({}),
            json!({ "aud": ["other", "app"] }),
            json!({ "aud": null, "client_id": "shop", "token_use": "access" }),
            json!({ "exp": NOW - 59, "nbf": NOW + 60 }),
        ] {
            assert_eq!(check(None, change.clone()), Ok(()), "{change}");
        }
        for change in [json!({ "scope": "a orders b" }), json!({ "scp": ["a", "orders"] }), json!({ "scope": ["orders"] })] {
            assert_eq!(check(Some("orders"), change.clone()), Ok(()), "{change}");
        }
    }

    #[test]
    fn others_are_refused_for_what_is_wrong_with_them() {
        for (change, refusal) in [
            (json!({ "iss": "https://i/" }), Refusal::WrongIssuer),
            (json!({ "exp": NOW - 60 }), Refusal::Expired),
            (json!({ "exp": i64::MIN }), Refusal::Expired),
            (json!({ "nbf": NOW + 61 }), Refusal::NotYet),
            (json!({ "aud": "other" }), Refusal::WrongAudience),
            (json!({ "aud": null }), Refusal::WrongAudience),
            (json!({ "aud": "other", "client_id": "shop" }), Refusal::WrongAudience),
            (json!({ "token_use": "id" }), Refusal::NotAccessToken),
            (json!({ "sub": "" }), Refusal::Unreadable),
            (json!({}), Refusal::WrongScope),
            (json!({ "scope": "orders.read ordersx" }), Refusal::WrongScope),
        ] {
            assert_eq!(check(Some("orders"), change.clone()), Err(refusal), "{change}");
        }
    }
}
