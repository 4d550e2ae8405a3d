//! OrderFlow as a system under load.

use crate::subject::{Product, Subject, process};
use anyhow::{Context, Result, bail};
use local::Stack;
use serde::Deserialize;
use std::time::{Duration, Instant};
use tokio::time::sleep;
use tokio_postgres::Client;

/// The maximum time for the first projection of the catalogue.
const LIMIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Deserialize)]
struct Catalogue {
    items: Vec<Product>,
}

/// Starts the workers and `api`, if they are not running.
pub(crate) async fn start(stack: &Stack) -> Result<()> {
    for worker in &stack.workers {
        worker.start().await?;
    }
    stack.api.start().await
}

/// Stops `api` and the workers. Postgres, Temporal and the AWS emulator keep running.
pub(crate) async fn stop(stack: &Stack) -> Result<()> {
    stack.api.stop().await?;
    for worker in &stack.workers {
        worker.stop().await?;
    }
    Ok(())
}

pub(crate) async fn subject(stack: &Stack) -> Result<Subject> {
    let api = format!("http://127.0.0.1:{}/api", stack.settings().port("API_PORT")?);
    let database = stack.postgres.service().connect().await?;
    let worker = stack.workers.first().context("the stack has no worker")?;
    Ok(Subject {
        name: "ours",
        orders: format!("{api}/orders"),
        catalogue: catalogue(&api, &database).await?,
        database,
        finished: "SELECT count(*) FROM orders WHERE status = 'COMPLETED'",
        unsettled: Some("SELECT count(*) FROM orders WHERE projected_version < version"),
        processes: vec![
            process("temporal", &stack.temporal)?,
            process("worker", worker)?,
            process("api", &stack.api)?,
            process("postgres", &stack.postgres)?,
            process("emulator", &stack.emulator)?,
        ],
    })
}

/// Reads all products from the API. It waits for the worker, which projects them soon after its
/// first start.
async fn catalogue(api: &str, database: &Client) -> Result<Vec<Product>> {
    let products: i64 = database.query_one("SELECT count(*) FROM products", &[]).await?.get(0);
    let products = usize::try_from(products)?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let begun = Instant::now();
    loop {
        let answer = http.get(format!("{api}/products")).send().await?.error_for_status()?;
        let Catalogue { items } = serde_json::from_slice(&answer.bytes().await?).context("the catalogue cannot be read")?;
        if items.len() >= products && products > 0 {
            return Ok(items);
        }
        if begun.elapsed() > LIMIT {
            bail!("the catalogue has {} products of {products} after {} s", items.len(), LIMIT.as_secs());
        }
        sleep(PAUSE).await;
    }
}
