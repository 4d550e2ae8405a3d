//! The issuer's public keys. They are fetched when a token needs one, and then kept.

use super::fetch::{self, Fetch};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse},
};
use serde::Deserialize;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The age at which the keys are fetched again. It limits how long a key is trusted after the
/// issuer has withdrawn it.
const REFRESH_AFTER: Duration = Duration::from_secs(60 * 60);
/// How long the keys are trusted while the issuer cannot be reached.
const TRUSTED_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// The pause after a fetch. Tokens with invented key ids cause at most one fetch in this time. A
/// new key of the issuer is found at the latest after this time.
const PAUSE: Duration = Duration::from_secs(5);
/// The pause after a failed fetch if there are no keys that are still trusted.
const SHORT_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the issuer of tokens")]
    Fetch(#[from] fetch::Error),
    #[error("the issuer of tokens was away a moment ago")]
    Paused,
    #[error("the issuer's configuration is that of another issuer: {0}")]
    WrongIssuer(String),
    #[error("the issuer's keys are at an address without TLS")]
    Address,
}

/// A public key, and the only algorithm that it may be used with.
pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}

struct KeySet {
    keys: HashMap<String, Arc<Key>>,
    since: Instant,
}

/// When the last fetch ended, and whether it failed.
struct Attempt {
    at: Instant,
    failed: bool,
}

pub(super) struct Keys {
    issuer: String,
    url: String,
    set: Mutex<Option<Arc<KeySet>>>,
    /// Locked while the keys are fetched, so that concurrent requests wait for one fetch.
    last: tokio::sync::Mutex<Option<Attempt>>,
}

/// The fields of the issuer's configuration that are read.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Keys {
    /// Creates the set of an issuer's keys. `url` is the address of the issuer's configuration.
    pub(super) fn new(issuer: String, url: String) -> Self {
        Self { issuer, url, set: Mutex::new(None), last: tokio::sync::Mutex::new(None) }
    }

    /// Returns the key with this id. `None` if the issuer has no such key that may sign tokens.
    pub(super) async fn find(&self, kid: &str) -> Result<Option<Arc<Key>>, Error> {
        if let Some(set) = self.known_keys()
            && set.since.elapsed() < REFRESH_AFTER
            && let Some(key) = set.keys.get(kid)
        {
            return Ok(Some(key.clone()));
        }
        Ok(self.refresh_keys().await?.keys.get(kid).cloned())
    }

    /// Returns the keys. They are fetched unless the last fetch ended less than a pause ago
    /// ([`PAUSE`], [`SHORT_PAUSE`]).
    async fn refresh_keys(&self) -> Result<Arc<KeySet>, Error> {
        let mut last = self.last.lock().await;
        let known = self.known_keys().filter(|set| set.since.elapsed() < TRUSTED_FOR);
        if let Some(last) = &*last {
            let pause = if last.failed && known.is_none() { SHORT_PAUSE } else { PAUSE };
            if last.at.elapsed() < pause {
                return known.ok_or(Error::Paused);
            }
        }
        let fetched = self.fetch_keys().await;
        *last = Some(Attempt { at: Instant::now(), failed: fetched.is_err() });
        match (fetched, known) {
            (Ok(keys), _) => {
                let set = Arc::new(KeySet { keys, since: Instant::now() });
                *self.set.lock().unwrap_or_else(PoisonError::into_inner) = Some(set.clone());
                Ok(set)
            }
            (Err(error), Some(known)) => {
                let cause = format!("{:#}", anyhow::Error::from(error));
                tracing::warn!(cause, "the keys of the issuer of tokens cannot be fetched; the known keys are still used");
                Ok(known)
            }
            (Err(error), None) => Err(error),
        }
    }

    async fn fetch_keys(&self) -> Result<HashMap<String, Arc<Key>>, Error> {
        let fetch = Fetch::new();
        let discovery: Discovery = fetch.json(&self.url).await?;
        if discovery.issuer != self.issuer {
            return Err(Error::WrongIssuer(discovery.issuer));
        }
        if !fetch::is_trustworthy(&discovery.jwks_uri) {
            return Err(Error::Address);
        }
        let JwkSet { keys } = fetch.json(&discovery.jwks_uri).await?;
        Ok(keys.iter().filter_map(|jwk| Some((jwk.common.key_id.clone()?, Arc::new(signing_key(jwk)?)))).collect())
    }

    fn known_keys(&self) -> Option<Arc<KeySet>> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Returns the key if it may sign tokens with an algorithm that is supported here.
fn signing_key(jwk: &Jwk) -> Option<Key> {
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => Algorithm::ES256,
        _ => return None,
    };
    let for_signatures = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let for_this_algorithm = jwk.common.key_algorithm.is_none_or(|named| named == algorithm.into());
    let decoding = DecodingKey::from_jwk(jwk).ok()?;
    (for_signatures && for_this_algorithm).then_some(Key { algorithm, decoding })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_keys_for_signatures_that_we_know_are_used() {
        let algorithm = |jwk: serde_json::Value| signing_key(&serde_json::from_value(jwk).unwrap()).map(|key| key.algorithm);
        let rsa = json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" });
        let ec = json!({ "kty": "EC", "crv": "P-256", "x": "AQAB", "y": "AQAB" });
        let with = |jwk: &serde_json::Value, name: &str, value: &str| {
            let mut jwk = jwk.clone();
            jwk[name] = value.into();
            jwk
        };
        assert_eq!(algorithm(rsa.clone()), Some(Algorithm::RS256));
        assert_eq!(algorithm(with(&with(&rsa, "use", "sig"), "alg", "RS256")), Some(Algorithm::RS256));
        assert_eq!(algorithm(with(&ec, "alg", "ES256")), Some(Algorithm::ES256));
        for other in [
            with(&rsa, "use", "enc"),
            with(&rsa, "alg", "HS256"),
            with(&rsa, "alg", "PS256"),
            with(&ec, "crv", "P-384"),
            with(&ec, "crv", "secp256k1"),
            json!({ "kty": "oct", "k": "AQAB" }),
            json!({ "kty": "OKP", "crv": "Ed25519", "x": "AQAB" }),
        ] {
            assert_eq!(algorithm(other.clone()), None, "{other}");
        }
    }
}
