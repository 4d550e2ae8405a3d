//! Configuration comes from the environment, and locally from `.env`. Each binary is a [`clap::Parser`] whose arguments name their variable, so
//! `--help` documents them, a bad value is one clear error that names its key, and everything is checked at the start.

use clap::{Arg, Command, Parser, builder::Resettable};
use std::env;

/// Reads the configuration of a binary. A `.env` in this folder or above it fills in what the environment lacks. A variable that is empty counts as
/// one that is not set.
///
/// Prints the error and exits with status 2 when a value is missing or wrong.
#[must_use]
pub fn read<T: Parser>() -> T {
    // Deployed binaries have no .env, and a missing one is no error.
    let _ = dotenvy::dotenv();
    let matches = without_empty(T::command()).get_matches();
    T::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

fn without_empty(command: Command) -> Command {
    command.mut_args(|arg| if is_empty(&arg) { arg.env(Resettable::Reset) } else { arg }).mut_subcommands(without_empty)
}

fn is_empty(arg: &Arg) -> bool {
    arg.get_env().and_then(env::var_os).is_some_and(|value| value.is_empty())
}
