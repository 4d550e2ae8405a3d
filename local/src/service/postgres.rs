//! Postgres, with a cluster of its own.

use super::{Service, argument};
use crate::{
    Settings, Tools,
    process::{Launch, Signal},
};
use anyhow::{Context, Result, bail};
use futures::future::{BoxFuture, FutureExt as _};
use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
};
use tokio_postgres::{Client, Config, NoTls, error::SqlState};

/// The user that runs Postgres if this process is root, because Postgres refuses to run as root.
/// `local/install` creates this user if the packages of a distribution have not.
const UNPRIVILEGED: &str = "postgres";

/// A Postgres server whose cluster is in a folder of its own.
pub struct Postgres {
    tools: Tools,
    host: String,
    port: u16,
    database: String,
    user: String,
    password: String,
    /// The folder of the cluster. It belongs to the user that runs the server.
    folder: PathBuf,
    run_as: Option<&'static str>,
    /// The folder of the programs, if it is not that of the tools. With it, tests run another
    /// version.
    programs: Option<PathBuf>,
    /// The value of `LD_PRELOAD` for the server. With it, tests simulate a wrong clock or a full
    /// disk.
    preload: Option<String>,
}

impl Postgres {
    /// A server with its data under `data`. If the unprivileged user cannot enter `data`, the data
    /// is in /var/tmp, in a folder named after that path.
    ///
    /// # Errors
    /// Fails if a setting is missing.
    pub fn new(settings: &Settings, tools: &Tools, data: &Path) -> Result<Self> {
        let run_as = rustix::process::geteuid().is_root().then_some(UNPRIVILEGED);
        let folder = match run_as {
            Some(user) if !reaches(user, data) => elsewhere(data),
            _ => data.join("postgres"),
        };
        Ok(Self {
            tools: tools.clone(),
            host: settings.get("POSTGRES_HOST")?.to_owned(),
            port: settings.port("POSTGRES_PORT")?,
            database: settings.get("POSTGRES_DB")?.to_owned(),
            user: settings.get("POSTGRES_USER")?.to_owned(),
            password: settings.get("POSTGRES_PASSWORD")?.to_owned(),
            folder,
            run_as,
            programs: settings.get("POSTGRES_PROGRAMS").ok().map(PathBuf::from),
            preload: settings.get("LD_PRELOAD").ok().map(ToOwned::to_owned),
        })
    }

    /// The folder of the cluster.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Connects to the orders' database.
    ///
    /// # Errors
    /// Fails if the server does not answer.
    pub async fn connect(&self) -> Result<Client> {
        Ok(self.connect_to(&self.database).await?)
    }

    /// Drops the orders' database, closes all connections to it, and creates it again, empty.
    ///
    /// # Errors
    /// Fails if the server does not answer or refuses.
    pub async fn recreate_database(&self) -> Result<()> {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(&self.database));
        self.connect_to("postgres").await?.batch_execute(&drop).await?;
        self.create_database().await
    }

    async fn create_database(&self) -> Result<()> {
        let create = format!("CREATE DATABASE {}", quoted(&self.database));
        match self.connect_to("postgres").await?.batch_execute(&create).await {
            Err(error) if error.code() != Some(&SqlState::DUPLICATE_DATABASE) => Err(error.into()),
            _ => Ok(()),
        }
    }

    async fn connect_to(&self, database: &str) -> Result<Client, tokio_postgres::Error> {
        let mut config = Config::new();
        config.host(&self.host).port(self.port).user(&self.user).password(&self.password).dbname(database).connect_timeout(super::ANSWER);
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    fn cluster(&self) -> PathBuf {
        self.folder.join("cluster")
    }

    fn program(&self, name: &str) -> Result<PathBuf> {
        match &self.programs {
            Some(folder) => Ok(folder.join(name)),
            None => self.tools.installed(name),
        }
    }

    /// Checks that the cluster is of the major version of the programs. Otherwise Postgres would not
    /// start.
    fn check_version(&self) -> Result<()> {
        let cluster = fs::read_to_string(self.cluster().join("PG_VERSION"))?;
        let (cluster, program) = (cluster.trim(), self.program("postgres")?);
        let output = Launch::new(&program).args(["--version"]).command().output().context("cannot run postgres")?;
        let printed = String::from_utf8_lossy(&output.stdout);
        if let Some(version) = major(&printed)
            && version != cluster
        {
            bail!(
                "the data in {} are of Postgres {cluster}, and {} is of Postgres {version}. Nothing was changed. `make clean` deletes the \
                 data. If this machine has Postgres {cluster}, `POSTGRES_MAJOR={cluster} make run` continues with the data \
                 (docs/operating.md, Troubleshooting)",
                argument(&self.folder),
                argument(&program),
            );
        }
        Ok(())
    }

    /// Creates the cluster. It has another name until it is complete, so that an interrupted start
    /// leaves no incomplete cluster.
    fn make_cluster(&self) -> Result<()> {
        let (unfinished, secret) = (self.folder.join("unfinished"), self.folder.join("password"));
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .with_context(|| format!("cannot make {}", argument(&self.folder)))?;
        fs::write(&secret, &self.password)?;
        if let Some(user) = self.run_as {
            let (uid, gid) = (id(user, "-u")?, id(user, "-g")?);
            chown(&self.folder, Some(uid), Some(gid))?;
            chown(&secret, Some(uid), Some(gid))?;
        }
        let made = Launch::new(self.program("initdb")?)
            .args(["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--pgdata"])
            .args([argument(&unfinished), format!("--username={}", self.user), format!("--pwfile={}", argument(&secret))])
            .folder(&self.folder)
            .user(self.run_as)
            .command()
            .output();
        fs::remove_file(&secret)?;
        let made = made.context("cannot run initdb")?;
        if !made.status.success() {
            bail!("initdb failed: {}", String::from_utf8_lossy(&made.stderr).trim());
        }
        Ok(fs::rename(unfinished, self.cluster())?)
    }
}

impl Service for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn launch(&self) -> Result<Launch> {
        if self.cluster().exists() {
            self.check_version()?;
        } else {
            self.make_cluster()?;
        }
        let options = [
            format!("listen_addresses={}", self.host),
            format!("port={}", self.port),
            // Clients use TCP only. A socket file would need a folder to which two users can write.
            "unix_socket_directories=".to_owned(),
            "max_connections=200".to_owned(),
            "timezone=UTC".to_owned(),
            "log_timezone=UTC".to_owned(),
        ];
        Ok(Launch::new(self.program("postgres")?)
            .args(["-D".to_owned(), argument(&self.cluster())])
            .args(options.into_iter().flat_map(|option| ["-c".to_owned(), option]))
            .env(self.preload.iter().map(|libraries| ("LD_PRELOAD", libraries)))
            .folder(&self.folder)
            .user(self.run_as))
    }

    /// SIGINT, because after SIGTERM the server would wait until every client has disconnected.
    fn stop_signal(&self) -> Signal {
        Signal::INT
    }

    fn check(&self) -> BoxFuture<'_, Result<()>> {
        async {
            match self.connect_to("postgres").await {
                Ok(client) => Ok(client.batch_execute("SELECT 1").await?),
                Err(error) if error.code() == Some(&SqlState::INVALID_PASSWORD) => {
                    bail!("POSTGRES_USER or POSTGRES_PASSWORD differs from the value with which {} was created", argument(&self.folder))
                }
                Err(error) => Err(error.into()),
            }
        }
        .boxed()
    }

    fn prepare(&self) -> BoxFuture<'_, Result<()>> {
        self.create_database().boxed()
    }

    fn listens(&self) -> Vec<(String, u16, &'static str)> {
        vec![(self.host.clone(), self.port, "POSTGRES_PORT")]
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The major version in what `postgres --version` prints: "postgres (PostgreSQL) 17.10".
fn major(printed: &str) -> Option<&str> {
    printed.split_whitespace().nth(2)?.split('.').next()
}

/// Whether a user can enter a folder.
fn reaches(user: &str, folder: &Path) -> bool {
    let test = Launch::new("test").args(["-x".to_owned(), argument(folder)]).user(Some(user)).command().status();
    test.is_ok_and(|status| status.success())
}

fn elsewhere(data: &Path) -> PathBuf {
    let inside = data.strip_prefix("/").unwrap_or(data).to_string_lossy().replace('/', "-");
    Path::new("/var/tmp").join(format!("orderflow-{inside}"))
}

fn id(user: &str, which: &str) -> Result<u32> {
    let output = Command::new("id").args([which, user]).output()?;
    match String::from_utf8_lossy(&output.stdout).trim().parse() {
        Ok(id) => Ok(id),
        Err(_) => bail!("Postgres cannot run as root, and there is no user {user}: run as another user, or create that user"),
    }
}
