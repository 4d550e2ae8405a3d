//! How the worker connects to Postgres: with or without TLS, and with which credentials.
//!
//! The credentials may be in a secret that somebody rotates at any time; RDS does so by itself. A
//! rotation does not affect open connections. If Postgres refuses a new connection, the secret is
//! read again. So a rotation needs no restart and delays new connections by at most one second.

use super::tls;
use crate::config;
use anyhow::Context as _;
use deadpool_postgres::Connect;
use futures::future::BoxFuture;
use platform::{
    error::chain,
    secrets::{self, Secret},
};
use serde::Deserialize;
use std::time::{Duration, Instant};
use tokio::{sync::Mutex, task::JoinHandle};
use tokio_postgres::{Client, Config, Error, config::SslMode, error::SqlState};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Name of the setting that holds the secret's ARN.
const SETTING: &str = "POSTGRES_SECRET_ARN";
/// The shortest time between two reads of the secret, however many connections are refused.
const MIN_RELOAD_INTERVAL: Duration = Duration::from_secs(1);

/// The role to connect as, and its password.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Credentials {
    pub(super) username: String,
    pub(super) password: String,
}

impl Secret for Credentials {
    const WANTED: &'static str = "username and password";
}

pub(crate) struct Access {
    /// The options of a connection, without the credentials.
    options: Config,
    tls: MakeRustlsConnect,
    secret_arn: Option<String>,
    cached: Mutex<CachedCredentials>,
}

struct CachedCredentials {
    credentials: Credentials,
    read_at: Instant,
}

impl Access {
    /// Reads the secret if the credentials are in one. Opens no connection.
    ///
    /// # Errors
    /// Fails if the secret or the trusted certificates cannot be read, or if the user or the
    /// password is not set.
    pub(crate) async fn new(settings: &config::Postgres) -> anyhow::Result<Self> {
        let mut options = Config::new();
        options
            .host(&settings.postgres_host)
            .port(settings.postgres_port)
            .dbname(&settings.postgres_db)
            .application_name("orderflow-worker")
            .ssl_mode(match settings.postgres_tls {
                config::Tls::Disable => SslMode::Disable,
                config::Tls::VerifyFull => SslMode::Require,
            })
            .connect_timeout(Duration::from_secs(3))
            .keepalives_idle(Duration::from_secs(10))
            .tcp_user_timeout(Duration::from_secs(15));
        let tls = tls::connector(settings)?;
        let credentials = match &settings.postgres_secret_arn {
            Some(arn) => secrets::read(SETTING, arn).await?,
            None => Credentials {
                username: settings.postgres_user.clone().context("POSTGRES_USER is not set")?,
                password: settings.postgres_password.clone().context("POSTGRES_PASSWORD is not set")?,
            },
        };
        let cached = Mutex::new(CachedCredentials { credentials, read_at: Instant::now() });
        Ok(Self { options, tls, secret_arn: settings.postgres_secret_arn.clone(), cached })
    }

    /// The current credentials.
    pub(super) async fn credentials(&self) -> Credentials {
        self.cached.lock().await.credentials.clone()
    }

    /// The options of a connection. The caller may add to them.
    pub(crate) fn options(&self) -> Config {
        self.options.clone()
    }

    /// Opens a connection. The returned task ends when the connection does.
    ///
    /// If Postgres refuses the credentials, this reads the secret again and tries once more with
    /// its new content.
    ///
    /// # Errors
    /// Fails if Postgres cannot be reached, or if it refuses both the cached credentials and those
    /// in the secret.
    pub(crate) async fn open(&self, options: Config) -> Result<(Client, JoinHandle<()>), Error> {
        let credentials = self.credentials().await;
        match self.connect_as(&credentials, options.clone()).await {
            Err(error) if is_auth_failure(&error) => match self.reload_credentials(&credentials).await {
                Some(credentials) => self.connect_as(&credentials, options).await,
                None => Err(error),
            },
            result => result,
        }
    }

    /// Opens a connection with other credentials than the configured ones.
    pub(super) async fn connect_as(&self, credentials: &Credentials, mut options: Config) -> Result<(Client, JoinHandle<()>), Error> {
        options.user(&credentials.username).password(&credentials.password);
        let (client, connection) = options.connect(self.tls.clone()).await?;
        let task = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(error = chain(&error), "a connection to Postgres is lost");
            }
        });
        Ok((client, task))
    }

    /// Returns the secret's credentials if they differ from the `refused` ones. Concurrent callers
    /// wait for one read of the secret and share its result.
    async fn reload_credentials(&self, refused: &Credentials) -> Option<Credentials> {
        let arn = self.secret_arn.as_ref()?;
        let mut cached = self.cached.lock().await;
        if cached.credentials == *refused && cached.read_at.elapsed() > MIN_RELOAD_INTERVAL {
            cached.read_at = Instant::now();
            match secrets::read(SETTING, arn).await {
                Ok(credentials) => cached.credentials = credentials,
                Err(error) => tracing::warn!(error = chain(&error), "cannot read {SETTING} again after Postgres refused the credentials"),
            }
            if cached.credentials != *refused {
                tracing::info!("Postgres refused the credentials; {SETTING} holds others now");
            }
        }
        (cached.credentials != *refused).then(|| cached.credentials.clone())
    }
}

impl Connect for Access {
    fn connect(&self, options: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), Error>> {
        Box::pin(self.open(options.clone()))
    }
}

/// Whether Postgres refused the credentials: the role does not exist, has another password, or may
/// no longer log in.
pub(super) fn is_auth_failure(error: &Error) -> bool {
    error.code().is_some_and(|code| [SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION].contains(code))
}
