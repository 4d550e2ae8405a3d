//! How the worker gets into Postgres: over TLS or not, and with which credentials.
//!
//! Credentials may lie in a secret that somebody rotates at any moment (RDS does so by itself). Connections that stand are not touched by that; a
//! new one that is refused has the secret read again. So a rotation needs no restart, and costs a second at most.

use super::tls::Tls;
use crate::config;
use anyhow::Context as _;
use deadpool_postgres::Connect;
use futures::future::BoxFuture;
use platform::secrets::{self, Secret};
use serde::Deserialize;
use std::time::{Duration, Instant};
use tokio::{sync::Mutex, task::JoinHandle};
use tokio_postgres::{Client, Config, Error, config::SslMode, error::SqlState};

/// Setting that holds the secret's ARN.
const SETTING: &str = "POSTGRES_SECRET_ARN";
/// The secret is not read more often than this, however many connections are refused.
const PAUSE: Duration = Duration::from_secs(1);

/// Who to connect as.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Credentials {
    pub(super) username: String,
    pub(super) password: String,
}

impl Secret for Credentials {
    const WANTED: &'static str = "username and password";
}

pub(crate) struct Access {
    /// All but the credentials.
    options: Config,
    tls: Tls,
    secret_arn: Option<String>,
    known: Mutex<Known>,
}

struct Known {
    credentials: Credentials,
    read_at: Instant,
}

impl Access {
    /// Reads the secret, if the credentials are in one; connects to nothing yet.
    ///
    /// # Errors
    /// When the secret or the certificates to trust cannot be read, or user and password are not set.
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
        let tls = Tls::new(settings)?;
        let credentials = match &settings.postgres_secret_arn {
            Some(arn) => secrets::read(SETTING, arn).await?,
            None => Credentials {
                username: settings.postgres_user.clone().context("POSTGRES_USER is not set")?,
                password: settings.postgres_password.clone().context("POSTGRES_PASSWORD is not set")?,
            },
        };
        let known = Mutex::new(Known { credentials, read_at: Instant::now() });
        Ok(Self { options, tls, secret_arn: settings.postgres_secret_arn.clone(), known })
    }

    /// Who is connected as now.
    pub(super) async fn credentials(&self) -> Credentials {
        self.known.lock().await.credentials.clone()
    }

    /// The options of a connection; whoever connects may add to them.
    pub(crate) fn options(&self) -> Config {
        self.options.clone()
    }

    /// Connects. The task ends with the connection.
    ///
    /// # Errors
    /// When Postgres cannot be reached or refuses the credentials, those of the secret also after it was read again.
    pub(crate) async fn open(&self, options: Config) -> Result<(Client, JoinHandle<()>), Error> {
        let credentials = self.credentials().await;
        match self.open_as(&credentials, options.clone()).await {
            Err(error) if are_refused(&error) => match self.renewed(&credentials).await {
                Some(credentials) => self.open_as(&credentials, options).await,
                None => Err(error),
            },
            result => result,
        }
    }

    /// Connects as somebody else than configured.
    pub(super) async fn open_as(&self, credentials: &Credentials, mut options: Config) -> Result<(Client, JoinHandle<()>), Error> {
        options.user(&credentials.username).password(&credentials.password);
        let (client, connection) = options.connect(self.tls.clone()).await?;
        let task = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(%error, "a connection to Postgres is lost");
            }
        });
        Ok((client, task))
    }

    /// What the secret holds now, if that is not what was refused. Whoever comes while it is read waits for the same answer.
    async fn renewed(&self, refused: &Credentials) -> Option<Credentials> {
        let arn = self.secret_arn.as_ref()?;
        let mut known = self.known.lock().await;
        if known.credentials == *refused && known.read_at.elapsed() > PAUSE {
            known.read_at = Instant::now();
            match secrets::read(SETTING, arn).await {
                Ok(credentials) => known.credentials = credentials,
                Err(error) => tracing::warn!(%error, "Postgres refuses the credentials"),
            }
            if known.credentials != *refused {
                tracing::info!("Postgres refused the credentials; {SETTING} holds others now");
            }
        }
        (known.credentials != *refused).then(|| known.credentials.clone())
    }
}

impl Connect for Access {
    fn connect(&self, options: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), Error>> {
        Box::pin(self.open(options.clone()))
    }
}

/// Whether Postgres does not know the role, its password is another, or it may not log in any more.
pub(super) fn are_refused(error: &Error) -> bool {
    error.code().is_some_and(|code| [SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION].contains(code))
}
