//! A system under load: where it accepts orders, and how its progress is observed.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio_postgres::Client;

/// A running system, as the load needs it.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// The URL to which orders are posted.
    pub(crate) orders: String,
    /// The products. Each order takes the next product.
    pub(crate) catalogue: Vec<Product>,
    pub(crate) database: Client,
    /// The SQL query that counts the finished orders.
    pub(crate) finished: &'static str,
    /// The SQL query that counts finished orders with work left, such as their projection. That
    /// work is part of their cost.
    pub(crate) unsettled: Option<&'static str>,
    /// The process trees whose CPU time and memory are measured: a name and a process id each.
    pub(crate) processes: Vec<(&'static str, u32)>,
}

/// A product. Its price is kept exactly as it was written in JSON.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Product {
    #[serde(rename = "productID")]
    pub(crate) id: String,
    #[serde(rename = "unitPrice")]
    pub(crate) price: Box<RawValue>,
}

impl Subject {
    /// The number of finished orders.
    pub(crate) async fn finished(&self) -> Result<u64> {
        self.count(self.finished).await
    }

    /// Whether no work is left for finished orders.
    pub(crate) async fn settled(&self) -> Result<bool> {
        match self.unsettled {
            Some(query) => Ok(self.count(query).await? == 0),
            None => Ok(true),
        }
    }

    async fn count(&self, query: &str) -> Result<u64> {
        Ok(u64::try_from(self.database.query_one(query, &[]).await?.get::<_, i64>(0))?)
    }
}

/// The name and the process id of a server.
///
/// # Errors
/// Fails if the server is not running.
pub(crate) fn process<S: ?Sized + local::service::Service>(name: &'static str, server: &local::Server<S>) -> Result<(&'static str, u32)> {
    match server.pid() {
        Some(pid) => Ok((name, pid)),
        None => bail!("{name} is not running"),
    }
}
