//! Output for a person at the terminal.

use anstream::{eprintln, println};
use anstyle::{AnsiColor, Style};
use std::time::Duration;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default();

/// Prints a finished step: its subject, the state reached and the time taken.
pub(crate) fn step(what: &str, state: &str, took: Duration) {
    println!("  {what:<10} {state:<10} {:>5.1} s", took.as_secs_f32());
}

pub(crate) fn say(line: &str) {
    println!("{line}");
}

pub(crate) fn good(line: &str) {
    println!("{GOOD}{line}{GOOD:#}");
}

pub(crate) fn warning(line: &str) {
    println!("{WARNING}{line}{WARNING:#}");
}

pub(crate) fn error(error: &anyhow::Error) {
    eprintln!("{BAD}error:{BAD:#} {error:#}");
}

/// Prints a line of a server's log.
pub(crate) fn logged(server: &str, style: Style, line: &str) {
    println!("{style}{server:>8} |{style:#} {line}");
}
