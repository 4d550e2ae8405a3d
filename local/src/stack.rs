//! All servers of OrderFlow together.

use crate::{
    Server, Settings, Tools, free_port, project,
    service::{Binary, Emulator, Jaeger, Postgres, Temporal},
};
use anyhow::{Context, Result, bail};
use futures::future::join_all;
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{self, Output, Stdio},
    sync::Arc,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};
use tokio::{process::Command, try_join};

/// All servers on one machine, with their settings and data. A new stack is stopped. Each server
/// can be started and stopped separately. Dropping the stack stops all of them, each before those
/// that it needs.
pub struct Stack {
    /// The HTTP API with the page.
    pub api: Arc<Server<Binary>>,
    /// The workers. The first one listens on `WORKER_PORT`, the others on free ports.
    pub workers: Vec<Arc<Server<Binary>>>,
    /// The AWS emulator.
    pub emulator: Arc<Server<Emulator>>,
    /// The Temporal server.
    pub temporal: Arc<Server<Temporal>>,
    /// Postgres.
    pub postgres: Arc<Server<Postgres>>,
    /// Jaeger, if `TRACES` is 1.
    pub jaeger: Option<Arc<Server<Jaeger>>>,
    settings: Settings,
    _folder: Option<TemporaryFolder>,
}

impl Stack {
    /// The developer's stack. It uses the ports and names in `settings`. Its data and logs stay in
    /// `folder`.
    ///
    /// # Errors
    /// Fails if a setting or a program is missing.
    pub fn of_developer(settings: Settings, folder: &Path) -> Result<Self> {
        Self::new(settings, folder, 1, None)
    }

    /// A new stack with free ports and without data, in a temporary folder. The folder is removed
    /// with the stack, but stays for inspection if a test panics. The settings are those of
    /// env.example and `env`; none come from the developer. The worker and `api` get them as their
    /// environment.
    ///
    /// # Errors
    /// Fails if a program is missing or the folder cannot be created.
    pub fn fresh(workers: usize, env: &[(&str, &str)]) -> Result<Self> {
        let mut settings = Settings::example()?;
        for key in [
            "POSTGRES_PORT",
            "TEMPORAL_WEB_PORT",
            "TEMPORAL_METRICS_PORT",
            "API_PORT",
            "API_METRICS_PORT",
            "WORKER_PORT",
            "TRACES_OTLP_PORT",
            "TRACES_WEB_PORT",
        ] {
            settings.set(key, free_port()?);
        }
        settings.set("TEMPORAL_HOST_PORT", format!("127.0.0.1:{}", free_port()?));
        for (key, value) in env {
            settings.set(key, value);
        }
        let (old, new) = (settings.get("AWS_ENDPOINT_URL")?.to_owned(), format!("http://127.0.0.1:{}", free_port()?));
        for key in ["INTAKE_QUEUE_URL", "NOTICE_FEEDBACK_QUEUE_URL", "WORKER_WAKEUP_QUEUE_URL", "AWS_ENDPOINT_URL"] {
            // A key that env.example comments out has no value.
            let url = settings.get(key).unwrap_or_default().replace(&old, &new);
            settings.set(key, url);
        }
        let folder = TemporaryFolder::new()?;
        let path = folder.path.clone();
        Self::new(settings, &path, workers, Some(folder))
    }

    fn new(mut settings: Settings, folder: &Path, workers: usize, mut temporary: Option<TemporaryFolder>) -> Result<Self> {
        let (data, logs) = (folder.join("data"), folder.join("logs"));
        for made in [&data, &logs] {
            fs::create_dir_all(made).with_context(|| format!("cannot make {}", made.display()))?;
        }
        let tools = Tools::default();
        let jaeger = Jaeger::new(&mut settings, &tools)?.map(|jaeger| Arc::new(Server::new(jaeger, &logs)));
        let postgres = Postgres::new(&settings, &tools, &data)?;
        if let Some(temporary) = &mut temporary {
            temporary.also = Some(postgres.folder().to_path_buf());
        }
        Ok(Self {
            api: Arc::new(Server::new(Binary::api(&settings)?, &logs)),
            workers: (1..=workers).map(|number| worker(number, &settings, &logs)).collect::<Result<_>>()?,
            emulator: Arc::new(Server::new(Emulator::new(&settings, &tools, &data)?, &logs)),
            temporal: Arc::new(Server::new(Temporal::new(&settings, &tools, &data)?, &logs)),
            postgres: Arc::new(Server::new(postgres, &logs)),
            jaeger,
            settings,
            _folder: temporary,
        })
    }

    /// The settings of the stack.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The environment for a program that uses this stack.
    #[must_use]
    pub fn env(&self) -> Vec<(String, String)> {
        self.settings.env()
    }

    /// All servers, each after those that it needs.
    #[must_use]
    pub fn servers(&self) -> Vec<Arc<Server>> {
        let mut servers = self.services();
        servers.extend(self.workers.iter().map(|worker| worker.clone() as Arc<Server>));
        servers.push(self.api.clone());
        servers
    }

    /// The servers that are not OrderFlow's own: Postgres, Temporal, the AWS emulator, and Jaeger if
    /// `TRACES` is 1.
    #[must_use]
    pub fn services(&self) -> Vec<Arc<Server>> {
        let mut services: Vec<Arc<Server>> = vec![self.postgres.clone(), self.temporal.clone(), self.emulator.clone()];
        services.extend(self.jaeger.clone().map(|jaeger| jaeger as Arc<Server>));
        services
    }

    /// Starts all servers and waits until orders can be placed.
    ///
    /// # Errors
    /// Fails if a server does not become ready or the migration fails.
    pub async fn start(&self) -> Result<()> {
        self.start_services().await?;
        self.migrate().await?;
        for worker in &self.workers {
            worker.start().await?;
        }
        self.api.start().await
    }

    /// Starts Postgres, Temporal and the AWS emulator. Creates the database, the tables and queues
    /// in the emulator, and the namespace.
    ///
    /// # Errors
    /// Fails if a server does not become ready.
    pub async fn start_services(&self) -> Result<()> {
        // Postgres is last: creating its cluster blocks this thread, and the others start
        // meanwhile.
        if let Some(jaeger) = &self.jaeger {
            jaeger.start().await?;
        }
        try_join!(self.temporal.start(), self.emulator.start(), self.postgres.start())?;
        Ok(())
    }

    /// Brings the schema of the database up to date, and seeds an empty catalogue.
    ///
    /// # Errors
    /// Fails if the migration fails. The error contains the worker's error output.
    pub async fn migrate(&self) -> Result<()> {
        let output = self.run("worker", &["migrate", "--seed"]).await?;
        if !output.status.success() {
            bail!("the database cannot be migrated: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    /// Brings the read model up to date from Postgres. This is needed after the emulator was
    /// killed, because it loses the data in its memory. Returns the worker's summary.
    ///
    /// # Errors
    /// Fails if the worker fails. The error contains its error output.
    pub async fn project(&self) -> Result<String> {
        let output = self.run("worker", &["project"]).await?;
        if !output.status.success() {
            bail!("the read model cannot be brought up to date: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Stops all servers, each before those that it needs.
    ///
    /// # Errors
    /// Fails if a server had to be killed.
    pub async fn stop(&self) -> Result<()> {
        self.stop_and_report(|_, _| {}).await
    }

    /// Stops all servers as [`Stack::stop`] does. Calls `tell` for each server that was running,
    /// with its name and the time that the stop took.
    ///
    /// # Errors
    /// Fails if a server had to be killed.
    pub async fn stop_and_report(&self, report: impl Fn(&str, Duration)) -> Result<()> {
        let workers = self.workers.iter().map(|worker| worker.clone() as Arc<Server>).collect();
        let mut result = Ok(());
        for together in [vec![self.api.clone() as Arc<Server>], workers, self.services()] {
            let ends = together.iter().map(async |server| {
                let begun = Instant::now();
                if server.stop().await?.is_some() {
                    report(server.name(), begun.elapsed());
                }
                Ok(())
            });
            result = join_all(ends).await.into_iter().fold(result, Result::and);
        }
        result
    }

    /// Runs a binary of this workspace, such as `worker audit`, to completion in the environment of
    /// this stack.
    ///
    /// # Errors
    /// Fails if the binary cannot be started.
    pub async fn run(&self, binary: &str, args: &[&str]) -> Result<Output> {
        let mut command = Command::new(Tools::built(binary)?);
        command.current_dir(project()).args(args).envs(self.env()).stdin(Stdio::null()).kill_on_drop(true);
        command.output().await.with_context(|| format!("cannot run {binary}"))
    }
}

fn worker(number: usize, settings: &Settings, logs: &Path) -> Result<Arc<Server<Binary>>> {
    if number == 1 {
        return Ok(Arc::new(Server::new(Binary::worker("worker", settings)?, logs)));
    }
    let mut settings = settings.clone();
    settings.set("WORKER_PORT", free_port()?);
    Ok(Arc::new(Server::new(Binary::worker(&format!("worker-{number}"), &settings)?, logs)))
}

/// A folder that is removed when this value is dropped.
struct TemporaryFolder {
    path: PathBuf,
    /// The folder of Postgres's cluster, which is elsewhere if Postgres cannot enter `path`.
    also: Option<PathBuf>,
}

impl TemporaryFolder {
    /// Creates the folder. Everybody can read it, because Postgres may run as another user.
    fn new() -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (parent, process) = (env::temp_dir(), process::id());
        loop {
            let path = parent.join(format!("orderflow-{process}-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path, also: None }),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).with_context(|| format!("cannot make {}", path.display())),
            }
        }
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the stack's data and logs are in {}", self.path.display());
            return;
        }
        for path in [Some(&self.path), self.also.as_ref()].into_iter().flatten() {
            let _ = fs::remove_dir_all(path);
        }
    }
}
