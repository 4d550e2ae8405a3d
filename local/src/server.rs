//! One supervised server. It can be started, watched, stopped, killed, frozen, and started again
//! on the same port with the same data.

use crate::{
    process::{Signal, exists, family, signal, signal_group},
    service::Service,
};
use anyhow::{Context, Result, anyhow, bail};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, ExitStatus},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};

/// The maximum time until a started server is ready.
const START_LIMIT: Duration = Duration::from_secs(90);
/// The maximum time for an orderly stop, after which the server is killed. A worker needs time to
/// drain.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// The maximum time for one readiness check.
const CHECK_LIMIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);
/// The interval at which a running server is checked for its end.
const WATCH: Duration = Duration::from_millis(250);
/// The number of log lines that an error shows.
const TAIL: usize = 40;

/// A server, and its process while it runs.
pub struct Server<S: ?Sized + Service = dyn Service> {
    child: Mutex<Option<Child>>,
    log: PathBuf,
    service: S,
}

impl<S: Service> Server<S> {
    /// A server that is not running. It will write its log to a file in the folder `logs`.
    pub fn new(service: S, logs: &Path) -> Self {
        let log = logs.join(format!("{}.log", service.name()));
        Self { child: Mutex::new(None), log, service }
    }
}

impl<S: ?Sized + Service> Server<S> {
    /// The kind of server, with its configuration.
    pub fn service(&self) -> &S {
        &self.service
    }

    /// The name of the server in messages.
    pub fn name(&self) -> &str {
        self.service.name()
    }

    /// The file to which the server writes its log.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Starts the server and waits until it is ready. Does nothing if it is running.
    ///
    /// # Errors
    /// Fails if the server ends or is not ready in time. The error contains the end of its log.
    pub async fn start(&self) -> Result<()> {
        if self.pid().is_some() {
            return Ok(());
        }
        let name = self.name();
        self.launch()?;
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let refusal = match timeout(CHECK_LIMIT, self.service.check()).await {
                Ok(Ok(())) => break,
                Ok(Err(error)) => error,
                Err(_) => anyhow!("no answer"),
            };
            if let Some(status) = self.exit_status()? {
                bail!("{name} ended while it started ({status}){}", self.tail());
            }
            if Instant::now() > deadline {
                bail!("{name} is not ready after {} s ({refusal:#}){}", START_LIMIT.as_secs(), self.tail());
            }
            sleep(PAUSE).await;
        }
        self.service.prepare().await.with_context(|| format!("{name} cannot be prepared"))
    }

    /// Starts the server without waiting until it is ready.
    ///
    /// # Errors
    /// Fails if the program cannot be started.
    pub fn launch(&self) -> Result<()> {
        if self.pid().is_none() {
            let started = self.service.launch()?.spawn(&self.log, self.service.stop_signal())?;
            *self.child() = Some(started);
        }
        Ok(())
    }

    /// Asks the server to stop and waits until it has ended. Returns its exit status, or `None` if
    /// it was not running.
    ///
    /// # Errors
    /// Fails if the server takes too long and is killed, or if its end cannot be observed.
    pub async fn stop(&self) -> Result<Option<ExitStatus>> {
        let Some(pid) = self.pid() else { return Ok(None) };
        self.ask_to_stop(pid);
        let deadline = Instant::now() + STOP_LIMIT;
        loop {
            if let Some(status) = self.exit_status()? {
                *self.child() = None;
                return Ok(Some(status));
            }
            if Instant::now() > deadline {
                self.kill().await?;
                bail!("{} did not stop within {} s and was killed{}", self.name(), STOP_LIMIT.as_secs(), self.tail());
            }
            sleep(PAUSE).await;
        }
    }

    /// Kills the server at once (`kill -9`), as in a crash or a power failure. Waits until all of
    /// its processes have ended.
    ///
    /// # Errors
    /// Fails if the end of its processes cannot be observed.
    pub async fn kill(&self) -> Result<()> {
        let Some(pid) = self.pid() else { return Ok(()) };
        let members = family(pid);
        signal_group(pid, Signal::KILL);
        let child = self.child().take();
        if let Some(mut child) = child {
            tokio::task::spawn_blocking(move || child.wait()).await??;
        }
        let deadline = Instant::now() + STOP_LIMIT;
        while members.iter().any(|&member| exists(member)) {
            if Instant::now() > deadline {
                bail!("processes of {} outlived it", self.name());
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Stops the server and starts it again.
    ///
    /// # Errors
    /// As for [`Server::stop`] and [`Server::start`].
    pub async fn restart(&self) -> Result<()> {
        self.stop().await?;
        self.start().await
    }

    /// Freezes all processes of the server. Its connections stay open and nothing answers, as when
    /// a network drops all packets.
    pub fn pause(&self) {
        self.pids().into_iter().for_each(|pid| signal(pid, Signal::STOP));
    }

    /// Resumes the server after [`Server::pause`].
    pub fn resume(&self) {
        self.pids().into_iter().for_each(|pid| signal(pid, Signal::CONT));
    }

    /// The id of the server's process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        let mut child = self.child();
        let running = child.as_mut()?;
        match running.try_wait() {
            Ok(None) => Some(running.id()),
            _ => None,
        }
    }

    /// The ids of the server's process and all its descendants, for measuring their resources.
    pub fn pids(&self) -> Vec<u32> {
        self.pid().map(family).unwrap_or_default()
    }

    /// Waits until the server ends by itself, and returns its exit status. Returns at once if it is
    /// not running.
    ///
    /// # Errors
    /// Fails if its end cannot be observed.
    pub async fn ended(&self) -> Result<Option<ExitStatus>> {
        while self.pid().is_some() {
            sleep(WATCH).await;
        }
        let status = self.exit_status()?;
        *self.child() = None;
        Ok(status)
    }

    /// The last lines of the server's log, for an error.
    fn tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(TAIL)..].join("\n  ");
        format!("\n{} ends with:\n  {last}", self.log.display())
    }

    fn ask_to_stop(&self, pid: u32) {
        signal(pid, self.service.stop_signal());
        // A frozen process handles the signal only after it is resumed.
        self.resume();
    }

    fn exit_status(&self) -> Result<Option<ExitStatus>> {
        match self.child().as_mut() {
            Some(child) => Ok(child.try_wait()?),
            None => Ok(None),
        }
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: ?Sized + Service> Drop for Server<S> {
    /// Ends the server, so that it does not outlive its owner, even if the owner panics.
    fn drop(&mut self) {
        let Some(pid) = self.pid() else { return };
        self.ask_to_stop(pid);
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.pid().is_some() && Instant::now() < deadline {
            std::thread::sleep(PAUSE);
        }
        signal_group(pid, Signal::KILL);
        if let Some(child) = self.child().as_mut() {
            let _ = child.wait();
        }
    }
}
