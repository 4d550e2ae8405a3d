//! Starts child processes that end with this process, and sends signals to processes.

use crate::settings::project;
use anyhow::{Context, Result, anyhow};
pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process, kill_process_group};
use std::{
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        mpsc::{Sender, channel},
    },
    thread,
};

/// A program to run, with its arguments, environment, folder and user.
#[derive(Clone, Debug)]
pub struct Launch {
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
    folder: PathBuf,
    user: Option<String>,
}

impl Launch {
    /// A program that runs in the project's folder.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), args: Vec::new(), env: Vec::new(), folder: project(), user: None }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds variables to the environment that the program inherits from this process.
    #[must_use]
    pub fn env<K: Into<String>, V: Into<String>>(mut self, env: impl IntoIterator<Item = (K, V)>) -> Self {
        self.env.extend(env.into_iter().map(|(key, value)| (key.into(), value.into())));
        self
    }

    /// Makes the program run in this folder instead of the project's.
    pub(crate) fn folder(mut self, folder: &Path) -> Self {
        self.folder = folder.to_path_buf();
        self
    }

    /// Makes the program run as another user. Only root can do that.
    pub(crate) fn user(mut self, user: Option<&str>) -> Self {
        self.user = user.map(ToOwned::to_owned);
        self
    }

    /// The command, for a program that runs to completion.
    pub(crate) fn command(&self) -> Command {
        self.wrapped(None)
    }

    /// Starts the program in a process group of its own, so that Ctrl-C at the terminal does not
    /// reach it. Its output is appended to `log`. On Linux, the program receives the signal `stop`
    /// when this process ends, however it ends.
    pub(crate) fn spawn(&self, log: &Path, stop: Signal) -> Result<Child> {
        let output =
            std::fs::OpenOptions::new().create(true).append(true).open(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = self.wrapped(can_follow_parent().then_some(stop));
        command.process_group(0).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        spawn_on_lasting_thread(command)?.with_context(|| format!("cannot start {}", self.program.display()))
    }

    fn wrapped(&self, at_parents_end: Option<Signal>) -> Command {
        let mut wrapper = Vec::new();
        if let Some(signal) = at_parents_end {
            wrapper.push(format!("--pdeathsig={}", if signal == Signal::INT { "INT" } else { "TERM" }));
        }
        if let Some(user) = &self.user {
            wrapper.extend([format!("--reuid={user}"), format!("--regid={user}"), "--init-groups".to_owned()]);
        }
        let mut command = if wrapper.is_empty() {
            Command::new(&self.program)
        } else {
            let mut command = Command::new("setpriv");
            command.args(wrapper).arg("--").arg(&self.program);
            command
        };
        command.current_dir(&self.folder).args(&self.args).envs(self.env.iter().map(|(key, value)| (key, value)));
        command
    }
}

/// Whether util-linux's setpriv is available, with its option `--pdeathsig`.
fn can_follow_parent() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| Command::new("setpriv").args(["--pdeathsig=TERM", "true"]).output().is_ok_and(|output| output.status.success()))
}

type Order = (Command, Sender<io::Result<Child>>);

/// Starts the program on a thread that lasts as long as this process. Linux sends the signal when
/// the *thread* that started the program ends, and the thread of a test ends before its process.
fn spawn_on_lasting_thread(command: Command) -> Result<io::Result<Child>> {
    static ORDERS: OnceLock<Sender<Order>> = OnceLock::new();
    let orders = ORDERS.get_or_init(|| {
        let (send, receive) = channel::<Order>();
        thread::spawn(move || {
            for (mut command, answer) in receive {
                // If the caller is gone, nobody controls the program. Kill it.
                if let Err(unheard) = answer.send(command.spawn())
                    && let Ok(mut child) = unheard.0
                {
                    let _ = child.kill();
                }
            }
        });
        send
    });
    let (send, receive) = channel();
    orders.send((command, send)).map_err(|_| anyhow!("the thread that starts programs has ended"))?;
    Ok(receive.recv()?)
}

/// Sends a signal to a process. It is no error if the process has ended.
pub fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = known(pid) {
        let _ = kill_process(pid, signal);
    }
}

/// Sends a signal to a process and to all of its process group.
pub(crate) fn signal_group(pid: u32, signal: Signal) {
    if let Some(pid) = known(pid) {
        let _ = kill_process_group(pid, signal);
    }
}

fn known(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// The ids of a process and of all its descendants.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let listing = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output().map(|output| output.stdout).unwrap_or_default();
    let pairs: Vec<(u32, u32)> = String::from_utf8_lossy(&listing)
        .lines()
        .filter_map(|line| line.trim().split_once(char::is_whitespace))
        .filter_map(|(child, parent)| Some((child.parse().ok()?, parent.trim().parse().ok()?)))
        .collect();
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(&member) = found.get(next) {
        found.extend(pairs.iter().filter(|(_, parent)| *parent == member).map(|(child, _)| *child));
        next += 1;
    }
    found
}

/// Whether a process exists.
pub(crate) fn exists(pid: u32) -> bool {
    known(pid).is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
}
