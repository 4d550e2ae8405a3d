//! The peer: the system to compare with. It is a folder with the sources of a Go program in
//! `seed-go/`. The program processes the same orders on the same servers.

use crate::subject::{Product, Subject, process};
use anyhow::{Context, Result, bail};
use futures::future::{BoxFuture, FutureExt as _};
use local::{
    Launch, Server, Stack, free_port, project,
    service::{Postgres, Service},
};
use serde_json::value::RawValue;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::{net::TcpStream, process::Command};
use tokio_postgres::{Client, NoTls};

const DATABASE: &str = "peer";
/// The number of the peer's products. The peer creates them itself.
const PRODUCTS: i64 = 100;
const PRICE: &str = "1299.99";

/// The peer with its two processes. It does not run until [`Peer::start`].
pub(crate) struct Peer {
    worker: Server<Program>,
    api: Server<Program>,
    api_port: u16,
    database_url: String,
}

impl Peer {
    /// Builds the peer and creates a database for it, on the same Postgres server as OrderFlow's
    /// database.
    pub(crate) async fn new(sources: &Path, stack: &Stack) -> Result<Self> {
        let program = build(&sources.join("seed-go")).await?;
        make_database(stack.postgres.service()).await?;
        let settings = stack.settings();
        let [host, port, user, password] =
            ["POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_USER", "POSTGRES_PASSWORD"].map(|key| settings.get(key));
        let database_url = format!("postgres://{}:{}@{}:{}/{DATABASE}", user?, password?, host?, port?);
        let api_port = free_port()?;
        let env = [
            ("TEMPORAL_HOST_PORT", settings.get("TEMPORAL_HOST_PORT")?.to_owned()),
            ("DATABASE_URL", database_url.clone()),
            ("API_PORT", api_port.to_string()),
        ];
        let launch = |role: &str| Launch::new(&program).args([role]).env(env.clone());
        let worker = Program { name: "peer-worker", launch: launch("worker"), ready: Ready::Products(database_url.clone()) };
        let api = Program { name: "peer-api", launch: launch("api"), ready: Ready::Listens(api_port) };
        let logs = stack.postgres.log().parent().context("the stack has no folder for logs")?;
        Ok(Self { worker: Server::new(worker, logs), api: Server::new(api, logs), api_port, database_url })
    }

    /// Starts the peer's processes, if they are not running.
    pub(crate) async fn start(&self) -> Result<()> {
        self.worker.start().await?;
        self.api.start().await
    }

    pub(crate) async fn stop(&self) -> Result<()> {
        self.api.stop().await?;
        self.worker.stop().await?;
        Ok(())
    }

    pub(crate) async fn subject(&self, stack: &Stack) -> Result<Subject> {
        let product = |number| Ok(Product { id: format!("PROD-{number:03}"), price: RawValue::from_string(PRICE.to_owned())? });
        Ok(Subject {
            name: "peer",
            orders: format!("http://127.0.0.1:{}/api/orders", self.api_port),
            catalogue: (1..=PRODUCTS).map(product).collect::<Result<_>>()?,
            database: connect(&self.database_url).await?,
            finished: "SELECT count(*) FROM orders WHERE status = 'COMPLETED'",
            unsettled: None,
            processes: vec![
                process("temporal", &stack.temporal)?,
                process("worker", &self.worker)?,
                process("api", &self.api)?,
                process("postgres", &stack.postgres)?,
            ],
        })
    }
}

/// One of the peer's two processes.
struct Program {
    name: &'static str,
    launch: Launch,
    ready: Ready,
}

enum Ready {
    /// Ready when the worker has created its tables and products in the database with this URL.
    Products(String),
    /// Ready when `api` listens on this port.
    Listens(u16),
}

impl Service for Program {
    fn name(&self) -> &str {
        self.name
    }

    fn launch(&self) -> Result<Launch> {
        Ok(self.launch.clone())
    }

    fn check(&self) -> BoxFuture<'_, Result<()>> {
        async {
            match &self.ready {
                Ready::Listens(port) => {
                    TcpStream::connect(("127.0.0.1", *port)).await?;
                }
                Ready::Products(database) => {
                    let row = connect(database).await?.query_one("SELECT count(*) FROM products", &[]).await?;
                    let products: i64 = row.get(0);
                    if products != PRODUCTS {
                        bail!("it has {products} products, not {PRODUCTS}");
                    }
                }
            }
            Ok(())
        }
        .boxed()
    }

    fn listens(&self) -> Vec<(String, u16, &'static str)> {
        Vec::new()
    }
}

async fn build(sources: &Path) -> Result<PathBuf> {
    let folder = project().join(".local/bench");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let program = folder.join("peer");
    println!("building the peer ...");
    let built = Command::new("go").args(["build", "-o"]).arg(&program).arg(".").current_dir(sources).stdin(Stdio::null()).status();
    let built = built.await.context("cannot run go: install Go (https://go.dev/dl)")?;
    if !built.success() {
        bail!("the peer in {} cannot be built", sources.display());
    }
    Ok(program)
}

async fn make_database(postgres: &Postgres) -> Result<()> {
    let sql = format!("CREATE DATABASE {DATABASE}");
    postgres.connect().await?.batch_execute(&sql).await.context("cannot make the peer's database")
}

async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
