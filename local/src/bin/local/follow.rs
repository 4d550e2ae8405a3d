//! Shows growing log files on the terminal. The servers write these files themselves, so they do
//! not depend on a reader.

use crate::terminal;
use anstyle::{AnsiColor, Style};
use std::{
    fs::File,
    io::Read as _,
    mem,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

const EVERY: Duration = Duration::from_millis(200);
const STYLES: [Style; 2] = [AnsiColor::Cyan.on_default(), AnsiColor::Magenta.on_default()];

/// Shows log files until it is dropped. Before it ends, it shows the lines that were written by
/// then.
pub(crate) struct Follower {
    enough: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Starts to show the logs. Each is the name of a server and the path of its file. The lines of
    /// a log with an empty name are shown without a name.
    pub(crate) fn new(logs: Vec<(String, PathBuf)>) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let mut logs: Vec<Log> =
            logs.into_iter().zip(STYLES.into_iter().cycle()).map(|((name, path), style)| Log::new(name, path, style)).collect();
        let seen = enough.clone();
        let thread = thread::spawn(move || {
            loop {
                let last = seen.load(Ordering::Relaxed);
                logs.iter_mut().for_each(Log::show_new);
                if last {
                    return;
                }
                thread::park_timeout(EVERY);
            }
        });
        Self { enough, thread: Some(thread) }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

struct Log {
    name: String,
    style: Style,
    path: PathBuf,
    file: Option<File>,
    /// The beginning of a line whose end is not yet written.
    begun: Vec<u8>,
}

impl Log {
    fn new(name: String, path: PathBuf, style: Style) -> Self {
        Self { name, style, path, file: None, begun: Vec::new() }
    }

    fn show_new(&mut self) {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        let Some(file) = &mut self.file else { return };
        if file.read_to_end(&mut self.begun).is_err() {
            return;
        }
        let Some(end) = self.begun.iter().rposition(|&byte| byte == b'\n') else { return };
        let rest = self.begun.split_off(end + 1);
        let whole = mem::replace(&mut self.begun, rest);
        for line in String::from_utf8_lossy(&whole).lines() {
            if self.name.is_empty() {
                terminal::say(line);
            } else {
                terminal::logged(&self.name, self.style, line);
            }
        }
    }
}
