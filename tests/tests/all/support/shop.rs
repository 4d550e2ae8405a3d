//! A running stack, as its customers and its operator see it.

use super::{Draft, Product, contract, transitions::refuse_unknown_transitions, until, until_ok};
use anyhow::{Context as _, Result, bail, ensure};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_http_client::Builder;
use local::Stack;
use orders::{Currency, Money, OrderId, ProductView, request::NewOrder};
use platform::read_model::{self, ReadModel};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, header};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use time::OffsetDateTime;
use uuid::Uuid;

/// How long an order may take on a loaded machine, with its retries.
const TIMEOUT: Duration = Duration::from_secs(40);
/// The number of log lines that an error shows.
const TAIL: usize = 60;

pub(crate) struct Shop {
    pub(crate) stack: Stack,
    pub(crate) http: Client,
    api: String,
}

impl Shop {
    /// Starts a fresh stack.
    pub(crate) async fn open(workers: usize, env: &[(&str, &str)]) -> Result<Self> {
        let stack = Stack::fresh(workers, env)?;
        stack.start().await?;
        let shop = Self::of(stack)?;
        refuse_unknown_transitions(&shop.db().await?).await?;
        Ok(shop)
    }

    /// Uses a stack that the caller starts.
    pub(crate) fn of(stack: Stack) -> Result<Self> {
        let api = format!("http://127.0.0.1:{}", stack.settings().port("API_PORT")?);
        Ok(Self { stack, http: Client::builder().no_proxy().timeout(Duration::from_secs(20)).build()?, api })
    }

    /// The folder with its data and logs.
    pub(crate) fn folder(&self) -> Result<PathBuf> {
        Ok(self.stack.postgres.log().ancestors().nth(2).context("no folder")?.to_path_buf())
    }

    /// A name that no other test has.
    pub(crate) fn unique(&self, prefix: &str) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        format!("{prefix}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// A connection to the orders' database.
    pub(crate) async fn db(&self) -> Result<tokio_postgres::Client> {
        self.stack.postgres.service().connect().await
    }

    /// The configuration for clients of the AWS emulator.
    pub(crate) fn aws(&self) -> Result<SdkConfig> {
        let credentials = Credentials::new("local", "local", None, None, "test");
        Ok(SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(Builder::new().build_http())
            .endpoint_url(self.stack.settings().get("AWS_ENDPOINT_URL")?)
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build())
    }

    /// Creates a product with this stock, and shows it in the catalogue.
    pub(crate) async fn product(&self, price_minor: i64, stock: i64) -> Result<Product> {
        let id = self.unique("TEST");
        let insert = "INSERT INTO products (id, name, price_minor, currency, stock) VALUES ($1, $1, $2, 'USD', $3) RETURNING version";
        let version = self.db().await?.query_one(insert, &[&id, &price_minor, &stock]).await?.get(0);
        // The worker also projects the product within a second or two, which does no harm.
        let (currency, product_id, name) = (Currency::USD, id.clone(), id.clone());
        let product = ProductView { product_id, name, unit_price: Money { minor: price_minor, currency }, currency, in_stock: stock > 0 };
        self.read_model()?.put_product(&product, version).await?;
        Ok(Product { id, price_minor })
    }

    pub(crate) fn read_model(&self) -> Result<ReadModel> {
        let table = |key: &str| anyhow::Ok(self.stack.settings().get(key)?.to_owned());
        let tables = read_model::Settings { orders_table: table("ORDERS_TABLE")?, products_table: table("PRODUCTS_TABLE")? };
        Ok(ReadModel::new(aws_sdk_dynamodb::Client::new(&self.aws()?), tables))
    }

    /// The units of a product that can still be reserved, and the reserved units that have not left
    /// the warehouse.
    pub(crate) async fn stock(&self, product: &Product) -> Result<(i64, i64)> {
        let row = self.db().await?.query_one("SELECT stock, reserved FROM products WHERE id = $1", &[&product.id]).await?;
        Ok((row.get(0), row.get(1)))
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.api)
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.url(path))
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Response> {
        Ok(self.request(Method::GET, path).send().await?)
    }

    /// Posts a body as JSON, even if it is not valid.
    pub(crate) async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Result<Response> {
        Ok(self.request(Method::POST, path).header(header::CONTENT_TYPE, "application/json").body(body).send().await?)
    }

    /// Posts a body with a new Idempotency-Key.
    pub(crate) async fn post_once(&self, path: &str, body: impl Into<reqwest::Body>) -> Result<Response> {
        let post = self.request(Method::POST, path).header(header::CONTENT_TYPE, "application/json");
        Ok(post.header("Idempotency-Key", self.unique("once")).body(body).send().await?)
    }

    /// Places an order, which must be accepted. Returns its id.
    pub(crate) async fn place(&self, draft: &Draft) -> Result<String> {
        // On a busy machine, Temporal and the queue may both be too slow. Such an order is refused,
        // and its client may place it again.
        for last in [false, false, true] {
            let (status, body) = answer(self.post("/api/orders", draft.body().to_string()).await?).await?;
            if status == StatusCode::SERVICE_UNAVAILABLE && !last {
                continue;
            }
            ensure!(status == StatusCode::ACCEPTED, "{draft:?} was answered with {status}: {body}");
            return Ok(text(&body, "/id")?.to_owned());
        }
        bail!("{draft:?} was not placed")
    }

    /// Puts an order into the intake queue, as if the API had accepted it. So the worker is the
    /// first to compare it with the catalogue.
    pub(crate) async fn enqueue(&self, draft: &Draft) -> Result<String> {
        let order = NewOrder::parse(draft.body().to_string().as_bytes())?;
        let order = order.into_input(OrderId::new(Uuid::now_v7()), OffsetDateTime::now_utc());
        let intake = self.stack.settings().get("INTAKE_QUEUE_URL")?;
        let message = aws_sdk_sqs::Client::new(&self.aws()?).send_message().queue_url(intake);
        message.message_body(serde_json::to_string(&order)?).send().await?;
        Ok(order.id.to_string())
    }

    /// An order, as readers see it.
    pub(crate) async fn order(&self, id: &str) -> Result<Value> {
        let (status, body) = answer(self.get(&format!("/api/orders/{id}")).await?).await?;
        ensure!(status == StatusCode::OK, "{id} is answered with {status}: {body}");
        Ok(body)
    }

    /// Waits until an order has one of these statuses.
    pub(crate) async fn reaches(&self, id: &str, statuses: &[&str]) -> Result<Value> {
        let mut last = Value::Null;
        let wanted = format!("{id} is {}", statuses.join(" or "));
        let reached = until(&wanted, TIMEOUT, async || {
            last = self.order(id).await.unwrap_or_else(|error| Value::String(format!("{error:#}")));
            Ok(statuses.iter().any(|status| last["status"] == *status).then(|| last.clone()))
        })
        .await;
        reached.with_context(|| self.describe(id, &last))
    }

    /// Waits for the end of an order. Its last status must be `status`.
    pub(crate) async fn ends(&self, id: &str, status: &str) -> Result<Value> {
        let order = self.reaches(id, &["COMPLETED", "FAILED", "CANCELLED"]).await?;
        if order["status"] != status {
            bail!("{id} did not end {status}\n{}", self.describe(id, &order));
        }
        Ok(order)
    }

    /// Requests an order's cancellation.
    pub(crate) async fn cancel(&self, id: &str) -> Result<(StatusCode, Value)> {
        answer(self.post(&format!("/api/orders/{id}/cancel"), "").await?).await
    }

    /// Asserts that `worker audit` finds nothing, once the last projections are done.
    pub(crate) async fn audit_is_clean(&self) -> Result<()> {
        // If the audit finds a difference, it checks again after ten seconds. Most projections are
        // late for a moment only, so the test waits for them first.
        let db = self.db().await?;
        let lagging = "SELECT (SELECT count(*) FROM orders WHERE projected_version < version)
            + (SELECT count(*) FROM products WHERE projected_version < version)";
        let caught_up = until("nothing lags", Duration::from_secs(3), async || {
            Ok((db.query_one(lagging, &[]).await?.get::<_, i64>(0) == 0).then_some(()))
        });
        let _ = caught_up.await;
        until_ok("the audit is clean", Duration::from_secs(15), async || {
            let audit = self.stack.run("worker", &["audit"]).await?;
            let found = format!("{}{}", String::from_utf8_lossy(&audit.stdout), String::from_utf8_lossy(&audit.stderr));
            ensure!(audit.status.success(), "{}: {found}", audit.status);
            Ok(())
        })
        .await
    }

    /// Everything that a server has logged.
    pub(crate) fn log(&self, path: &Path) -> String {
        String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
    }

    /// Everything that OrderFlow's own servers have logged.
    pub(crate) fn logs(&self) -> String {
        let workers = self.stack.workers.iter().map(|worker| worker.log());
        workers.chain([self.stack.api.log()]).map(|path| self.log(path)).collect()
    }

    /// Describes an order in the message of a failing test.
    pub(crate) fn describe(&self, id: &str, order: &impl std::fmt::Debug) -> String {
        let logs = self.logs();
        let about: Vec<&str> = logs.lines().filter(|line| line.contains(id)).collect();
        let rest: Vec<&str> = logs.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).collect();
        let tail = |lines: &[&str]| lines[lines.len().saturating_sub(TAIL)..].join("\n  ");
        format!("order: {order:#?}\nlog about it:\n  {}\nlast warnings:\n  {}", tail(&about), tail(&rest))
    }
}

/// The status and JSON of an answer, which must match the OpenAPI document.
pub(crate) async fn answer(response: Response) -> Result<(StatusCode, Value)> {
    let (status, path) = (response.status(), response.url().path().to_owned());
    let media = response.headers().get(header::CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default().to_owned();
    let body = response.text().await?;
    let json = serde_json::from_str(&body).unwrap_or(Value::String(body));
    contract::check(&path, status.as_u16(), &media, &json);
    Ok((status, json))
}

/// A text in a JSON document.
pub(crate) fn text<'a>(json: &'a Value, pointer: &str) -> Result<&'a str> {
    json.pointer(pointer).and_then(Value::as_str).with_context(|| format!("no text at {pointer} of {json}"))
}
