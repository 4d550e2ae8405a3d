//! Claims that API Gateway's JWT authorizer has verified.
//!
//! The claims are in the Lambda event and not in the request, so no client can write them. Only
//! [`crate::lambda`] reads them.

use super::claims::{Claims, Names};
use lambda_http::request::RequestContext;
use std::collections::HashMap;

/// The claims of a token that API Gateway has verified.
#[derive(Clone)]
pub(crate) struct GatewayClaims(pub(super) Claims);

/// Returns the verified claims of a token. `None` if API Gateway verified no token, or if the
/// claims in its event are incomplete or ambiguous.
pub(crate) fn gateway_claims(context: &RequestContext) -> Option<GatewayClaims> {
    match context {
        RequestContext::ApiGatewayV2(context) => parse_claims(&context.authorizer.as_ref()?.jwt.as_ref()?.claims).map(GatewayClaims),
        _ => None,
    }
}

/// Parses the claims. API Gateway writes each of them as text: a time as digits, and a list as its
/// words between brackets.
fn parse_claims(claims: &HashMap<String, String>) -> Option<Claims> {
    let text = |name: &str| claims.get(name).cloned();
    let names = |name: &str| Names(claims.get(name).map(|text| words(text).map(ToOwned::to_owned).collect()).unwrap_or_default());
    let groups = names("groups");
    // The gateway writes the two groups "sales" and "staff" exactly like one group "sales staff",
    // whose members are not staff. Cognito allows no spaces in the names of its groups. For other
    // issuers, the groups must be read from the token itself.
    if groups.0.len() > 1 {
        return None;
    }
    Some(Claims {
        iss: text("iss")?,
        sub: text("sub")?,
        exp: seconds(claims.get("exp")?)?,
        nbf: match claims.get("nbf") {
            Some(text) => Some(seconds(text)?),
            None => None,
        },
        aud: names("aud"),
        client_id: text("client_id"),
        token_use: text("token_use"),
        scope: names("scope"),
        scp: names("scp"),
        groups,
        cognito_groups: names("cognito:groups"),
    })
}

fn words(list: &str) -> impl Iterator<Item = &str> {
    let list = list.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(list);
    list.split([' ', ',']).filter(|word| !word.is_empty())
}

/// Parses digits, or a number such as 1.8e+09.
fn seconds(text: &str) -> Option<i64> {
    text.parse().ok().filter(|seconds: &f64| seconds.is_finite()).map(|seconds| seconds as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(change: &[(&str, &str)]) -> Option<Claims> {
        let mut claims = HashMap::from([("iss", "https://i"), ("sub", "ada"), ("exp", "1800000000"), ("client_id", "shop")]);
        claims.extend(change.iter().copied());
        parse_claims(&claims.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    fn is_staff(change: &[(&str, &str)]) -> Option<bool> {
        Some(claims(change)?.into_caller().ensure_is_staff().is_ok())
    }

    #[test]
    fn reads_what_the_gateway_writes() {
        let ada = claims(&[("aud", "[shop app]"), ("scope", "openid orders"), ("nbf", "1.7e+09")]).unwrap();
        assert_eq!((ada.iss.as_str(), ada.sub.as_str(), ada.exp, ada.nbf), ("https://i", "ada", 1_800_000_000, Some(1_700_000_000)));
        assert_eq!((ada.aud.0, ada.scope.0), (vec!["shop".to_owned(), "app".to_owned()], vec!["openid".to_owned(), "orders".to_owned()]));
        assert!(claims(&[("exp", "soon")]).is_none() && claims(&[("exp", "inf")]).is_none() && claims(&[("nbf", "")]).is_none());
    }

    #[test]
    fn groups_that_cannot_be_distinguished_are_not_trusted() {
        assert_eq!(is_staff(&[]), Some(false));
        assert_eq!(is_staff(&[("cognito:groups", "[buyers staff]")]), Some(true));
        assert_eq!(is_staff(&[("cognito:groups", "[staffing]")]), Some(false));
        assert_eq!(is_staff(&[("groups", "[admin]")]), Some(true));
        assert_eq!(is_staff(&[("groups", "[sales staff]")]), None);
    }
}
