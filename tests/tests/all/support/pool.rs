//! A Cognito user pool in the emulator, which is an OpenID Connect issuer like the one on AWS.

use super::{Shop, answer, text};
use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

const PASSWORD: &str = "Correct-Horse-7";

pub(crate) struct Pool {
    id: String,
    /// The client whose tokens the API accepts.
    pub(crate) client: String,
    /// The issuer that its tokens name.
    pub(crate) issuer: String,
    endpoint: String,
    http: reqwest::Client,
}

/// A user who has signed in.
pub(crate) struct User {
    /// The subject of the tokens.
    pub(crate) id: String,
    pub(crate) access: String,
    pub(crate) identity: String,
    pub(crate) refresh: String,
}

impl Pool {
    pub(crate) async fn create(shop: &Shop) -> Result<Self> {
        let endpoint = shop.stack.settings().get("AWS_ENDPOINT_URL")?.to_owned();
        let mut pool = Self { id: String::new(), client: String::new(), issuer: String::new(), endpoint, http: shop.http.clone() };
        let made = pool.call("CreateUserPool", json!({ "PoolName": shop.unique("customers") })).await?;
        pool.id = text(&made, "/UserPool/Id")?.to_owned();
        pool.client = pool.new_client("page").await?;
        let (status, configuration) = answer(pool.http.get(pool.discovery_url()).send().await?).await?;
        ensure!(status.is_success(), "the pool's configuration is answered with {status}");
        pool.issuer = text(&configuration, "/issuer")?.to_owned();
        Ok(pool)
    }

    /// The emulator serves the configuration at another address than its tokens name.
    pub(crate) fn discovery_url(&self) -> String {
        format!("{}/{}/.well-known/openid-configuration", self.endpoint, self.id)
    }

    /// The settings of an API that requires tokens of this pool.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let settings =
            [("AUTH_ISSUER", self.issuer.clone()), ("AUTH_AUDIENCE", self.client.clone()), ("AUTH_DISCOVERY_URL", self.discovery_url())];
        settings.map(|(key, value)| (key.to_owned(), value)).to_vec()
    }

    pub(crate) async fn new_client(&self, name: &str) -> Result<String> {
        let flows = ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"];
        let client = json!({ "UserPoolId": self.id, "ClientName": name, "ExplicitAuthFlows": flows });
        Ok(text(&self.call("CreateUserPoolClient", client).await?, "/UserPoolClient/ClientId")?.to_owned())
    }

    /// Creates a user, in this group if one is given, and signs in.
    pub(crate) async fn user(&self, name: &str, group: Option<&str>) -> Result<User> {
        let user = json!({ "UserPoolId": self.id, "Username": name, "MessageAction": "SUPPRESS" });
        self.call("AdminCreateUser", user).await?;
        let password = json!({ "UserPoolId": self.id, "Username": name, "Password": PASSWORD, "Permanent": true });
        self.call("AdminSetUserPassword", password).await?;
        if let Some(group) = group {
            self.call("CreateGroup", json!({ "UserPoolId": self.id, "GroupName": group })).await?;
            self.call("AdminAddUserToGroup", json!({ "UserPoolId": self.id, "Username": name, "GroupName": group })).await?;
        }
        self.sign_in(name, &self.client).await
    }

    pub(crate) async fn sign_in(&self, name: &str, client: &str) -> Result<User> {
        let parameters = json!({ "USERNAME": name, "PASSWORD": PASSWORD });
        let request = json!({ "AuthFlow": "USER_PASSWORD_AUTH", "ClientId": client, "AuthParameters": parameters });
        let signed_in = self.call("InitiateAuth", request).await?;
        let token = |name: &str| Ok::<_, anyhow::Error>(text(&signed_in, &format!("/AuthenticationResult/{name}"))?.to_owned());
        let access = token("AccessToken")?;
        let id = text(&claims(&access)?, "/sub")?.to_owned();
        Ok(User { id, access, identity: token("IdToken")?, refresh: token("RefreshToken")? })
    }

    async fn call(&self, action: &str, request: Value) -> Result<Value> {
        let call = self
            .http
            .post(&self.endpoint)
            .header("x-amz-target", format!("AWSCognitoIdentityProviderService.{action}"))
            .header("content-type", "application/x-amz-json-1.1")
            .header("authorization", "AWS4-HMAC-SHA256 Credential=local/20261121/us-east-1/cognito-idp/aws4_request, Signature=none")
            .body(request.to_string());
        let (status, answer) = answer(call.send().await?).await?;
        ensure!(status.is_success(), "{action} is answered with {status}: {answer}");
        Ok(answer)
    }
}

/// The claims of a token.
pub(crate) fn claims(token: &str) -> Result<Value> {
    let payload = token.split('.').nth(1).context("no payload")?;
    Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?)
}

/// The token with another header and without a signature.
pub(crate) fn unsigned(token: &str, header: &Value) -> Result<String> {
    let payload = token.split('.').nth(1).context("no payload")?;
    Ok(format!("{}.{payload}.", URL_SAFE_NO_PAD.encode(header.to_string())))
}
