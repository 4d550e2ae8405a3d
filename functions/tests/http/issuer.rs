//! An OpenID Connect issuer for tests. A test chooses the content of its tokens and changes its
//! keys.

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use functions::identity::{Identity, Settings};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU32, Ordering},
};
use time::OffsetDateTime;
use tokio::{net::TcpListener, task::JoinHandle};

pub(crate) const AUDIENCE: &str = "shop";
pub(crate) const SUBJECT: &str = "3f1c0b52-ada";

pub(crate) struct Issuer {
    pub(crate) url: String,
    published: Arc<Published>,
    server: JoinHandle<()>,
}

struct Published {
    /// The issuer that the configuration names.
    issuer: Mutex<String>,
    keys: Mutex<Vec<Value>>,
    /// How often the keys were read.
    reads: AtomicU32,
    away: AtomicBool,
}

impl Issuer {
    /// Starts an issuer that publishes these keys.
    pub(crate) async fn start(keys: &[&Key]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/shop", listener.local_addr().unwrap());
        let published = Arc::new(Published {
            issuer: Mutex::new(url.clone()),
            keys: Mutex::default(),
            reads: AtomicU32::default(),
            away: AtomicBool::default(),
        });
        let routes = Router::new()
            .route("/shop/.well-known/openid-configuration", get(configuration))
            .route("/shop/keys", get(jwks))
            .with_state(published.clone());
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let issuer = Self { url, published, server };
        issuer.publish(keys);
        issuer
    }

    /// Publishes these keys from now on, together with two keys that cannot sign tokens.
    pub(crate) fn publish(&self, keys: &[&Key]) {
        let mut jwks: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
        jwks.push(json!({ "kty": "OKP", "crv": "X25519", "x": "AQAB", "kid": "okp", "use": "enc" }));
        jwks.push(json!({ "kty": "new", "kid": "of a kind to come" }));
        *self.published.keys.lock().unwrap() = jwks;
    }

    /// Names another issuer in the configuration.
    pub(crate) fn set_issuer(&self, issuer: &str) {
        issuer.clone_into(&mut self.published.issuer.lock().unwrap());
    }

    /// Lets the issuer fail, or work again.
    pub(crate) fn set_away(&self, away: bool) {
        self.published.away.store(away, Ordering::Relaxed);
    }

    pub(crate) fn reads(&self) -> u32 {
        self.published.reads.load(Ordering::Relaxed)
    }

    /// Authentication that needs tokens of this issuer.
    pub(crate) fn identity(&self, scope: Option<&str>) -> Arc<Identity> {
        let settings = Settings { auth_scope: scope.map(ToOwned::to_owned), ..settings(Some(&self.url)) };
        Arc::new(Identity::new(settings).unwrap())
    }

    /// The claims of a valid token.
    pub(crate) fn claims(&self) -> Value {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        json!({ "iss": self.url, "sub": SUBJECT, "aud": AUDIENCE, "iat": now, "exp": now + 300 })
    }

    /// The claims of a valid token with changes. A claim that is null is left out.
    pub(crate) fn claims_with(&self, changes: Value) -> Value {
        let mut claims = self.claims();
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub(crate) fn settings(issuer: Option<&str>) -> Settings {
    Settings {
        auth_issuer: issuer.map(ToOwned::to_owned),
        auth_audience: vec![AUDIENCE.to_owned()],
        auth_scope: None,
        auth_discovery_url: None,
        aws_endpoint_url: None,
    }
}

async fn configuration(State(published): State<Arc<Published>>) -> Result<Json<Value>, StatusCode> {
    if published.away.load(Ordering::Relaxed) {
        return Err(StatusCode::BAD_GATEWAY);
    }
    let issuer = published.issuer.lock().unwrap().clone();
    Ok(Json(json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys"), "response_types_supported": ["code"] })))
}

async fn jwks(State(published): State<Arc<Published>>) -> Json<Value> {
    published.reads.fetch_add(1, Ordering::Relaxed);
    Json(json!({ "keys": *published.keys.lock().unwrap() }))
}

/// A key for ES256.
pub(crate) struct Key {
    kid: &'static str,
    pair: EcdsaKeyPair,
}

impl Key {
    pub(crate) fn new(kid: &'static str) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self { kid, pair: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap() }
    }

    /// The public key as an uncompressed point: the byte 4, x, and y.
    pub(crate) fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    fn jwk(&self) -> Value {
        let (x, y) = self.public()[1..].split_at(32);
        let encode = |bytes| URL_SAFE_NO_PAD.encode(bytes);
        json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y), "kid": self.kid, "use": "sig", "alg": "ES256" })
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({ "alg": "ES256", "typ": "JWT", "kid": self.kid }), claims)
    }

    pub(crate) fn token_with(&self, header: &Value, claims: &Value) -> String {
        signed(header, claims, |message| self.pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec())
    }
}

/// A token that is signed with a shared secret.
pub(crate) fn hmac_token(secret: &[u8], header: &Value, claims: &Value) -> String {
    signed(header, claims, |message| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_vec())
}

pub(crate) fn signed(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = sign(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}
