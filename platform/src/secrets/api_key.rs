//! An API key that may be rotated at any time. If the service refuses the key, its secret is read
//! again.

use super::{Error, Secret, read};
use crate::error::chain;
use std::{
    marker::PhantomData,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// The minimum time between two reads of the secret, however many calls the service refuses.
const MIN_REFRESH_INTERVAL: Duration = Duration::from_secs(1);

/// A key of a service, from a secret of type `T` or from a setting.
pub struct ApiKey<T> {
    /// The name of the setting with the secret's ARN, and the ARN. `None` if the key is a setting.
    source: Option<(&'static str, String)>,
    cached: Mutex<CachedKey>,
    secret: PhantomData<fn() -> T>,
}

struct CachedKey {
    key: String,
    read_at: Instant,
}

impl<T: Secret + Into<String>> ApiKey<T> {
    /// A key that never changes.
    #[must_use]
    pub fn fixed(key: String) -> Self {
        Self { source: None, cached: Mutex::new(CachedKey { key, read_at: Instant::now() }), secret: PhantomData }
    }

    /// Reads the key from a secret. `setting` is the name of the setting that holds its ARN.
    ///
    /// # Errors
    /// Fails as [`read`] does.
    pub async fn from_secret(setting: &'static str, arn: String) -> Result<Self, Error> {
        let key = read::<T>(setting, &arn).await?.into();
        Ok(Self { source: Some((setting, arn)), ..Self::fixed(key) })
    }

    pub async fn current(&self) -> String {
        self.cached.lock().await.key.clone()
    }

    /// Reads the secret again, and returns its key if that is not the refused one. Calls during the
    /// read wait for its result. If the secret was read a moment ago, it is not read again.
    pub async fn refresh(&self, refused: &str) -> Option<String> {
        let (setting, arn) = self.source.as_ref()?;
        let mut cached = self.cached.lock().await;
        if cached.key == refused && cached.read_at.elapsed() > MIN_REFRESH_INTERVAL {
            cached.read_at = Instant::now();
            match read::<T>(setting, arn).await {
                Ok(secret) => cached.key = secret.into(),
                Err(error) => tracing::warn!(error = chain(&error), "a service refuses its API key, and the secret cannot be read"),
            }
        }
        (cached.key != refused).then(|| cached.key.clone())
    }
}
