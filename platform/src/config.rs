//! The configuration comes from environment variables and, on a developer's machine, from `.env`.
//! Each binary is a [`clap::Parser`] whose arguments name their variables. So `--help` documents
//! them, everything is checked at the start, and a bad value gives one clear error that names its
//! variable.

use clap::{Arg, Command, Parser, builder::Resettable, error::ErrorKind};
use std::{env, fs};

/// Reads the configuration of a binary. A `.env` file in the current folder, or in the nearest
/// folder above that has one, supplies the variables that the environment does not set. An empty
/// variable counts as not set.
///
/// If a value is missing or wrong, or a line of `.env` cannot be read, this function prints the
/// error and exits with status 2.
#[must_use]
pub fn read<T: Parser>() -> T {
    if let Err(wrong) = fill_in() {
        clap::Error::raw(ErrorKind::Io, format!("{wrong}\n")).exit();
    }
    let matches = without_empty(T::command()).get_matches();
    T::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// Sets the variables of `.env` that the environment does not set. Deployed binaries have no
/// `.env`, so a missing file is no error. A file that cannot be read to its end is an error,
/// because the variables after the bad line would be ignored.
fn fill_in() -> Result<(), String> {
    let here = env::current_dir().unwrap_or_default();
    let Some(file) = here.ancestors().map(|folder| folder.join(".env")).find(|file| file.is_file()) else { return Ok(()) };
    let name = file.display();
    let text = fs::read_to_string(&file).map_err(|error| format!("cannot read {name}: {error}"))?;
    // The message does not quote the line, because it may contain a secret.
    dotenvy::from_read(text.as_bytes())
        .map_err(|_| format!("line {} of {name} is not KEY=value: put a value with spaces or quotes in single quotes", unreadable(&text)))
}

/// The number of the line at which the first unreadable entry begins, counted from 1. An entry in
/// quotes may span several lines.
fn unreadable(text: &str) -> usize {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let readable = |count: &usize| dotenvy::from_read_iter(lines[..*count].concat().as_bytes()).all(|entry| entry.is_ok());
    (0..lines.len()).rev().find(readable).unwrap_or_default() + 1
}

fn without_empty(command: Command) -> Command {
    command.mut_args(|arg| if is_empty(&arg) { arg.env(Resettable::Reset) } else { arg }).mut_subcommands(without_empty)
}

fn is_empty(arg: &Arg) -> bool {
    arg.get_env().and_then(env::var_os).is_some_and(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_cannot_be_read_is_found() {
        for (text, line) in
            [("A=b c", 1), ("A=b \n\n# a b c\nB=c d\nC=d", 4), ("A='b\nc'\nB", 3), ("A=b\nB='c\nd\ne", 2), ("A=b\r\nB={\"c\": 1}\r\n", 2)]
        {
            assert!(dotenvy::from_read_iter(text.as_bytes()).any(|entry| entry.is_err()), "{text:?}");
            assert_eq!(unreadable(text), line, "{text:?}");
        }
    }
}
