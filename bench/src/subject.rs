//! A system under load: where it takes orders, and how its work is seen.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio_postgres::Client;

/// What the load needs to know of a running system.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// Where orders are posted.
    pub(crate) orders: String,
    /// What is ordered, in turn.
    pub(crate) catalogue: Vec<Product>,
    pub(crate) database: Client,
    /// Counts the finished orders.
    pub(crate) finished: &'static str,
    /// Counts what is still to be done for orders that have finished; its cost is theirs.
    pub(crate) unsettled: Option<&'static str>,
    /// The process trees whose use is accounted, by name.
    pub(crate) processes: Vec<(&'static str, u32)>,
}

/// A product with its price as it is written in JSON.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Product {
    #[serde(rename = "productID")]
    pub(crate) id: String,
    #[serde(rename = "unitPrice")]
    pub(crate) price: Box<RawValue>,
}

impl Subject {
    /// How many orders have finished.
    pub(crate) async fn finished(&self) -> Result<u64> {
        self.count(self.finished).await
    }

    /// Whether nothing is left to be done for finished orders.
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

/// The process of a server that must be running.
pub(crate) fn process<S: ?Sized + local::service::Service>(name: &'static str, server: &local::Server<S>) -> Result<(&'static str, u32)> {
    match server.pid() {
        Some(pid) => Ok((name, pid)),
        None => bail!("{name} is not running"),
    }
}
