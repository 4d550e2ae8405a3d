//! Configuration comes from the environment, and locally from `.env`. Each binary is a [`clap::Parser`] whose arguments name their variable, so
//! `--help` documents them, a bad value is one clear error that names its key, and everything is checked at the start.

use clap::Parser;

/// Reads the configuration of a binary. A `.env` in this folder or above it fills in what the environment lacks.
///
/// Prints the error and exits with status 2 when a value is missing or wrong.
#[must_use]
pub fn read<T: Parser>() -> T {
    // Deployed binaries have no .env, and a missing one is no error.
    let _ = dotenvy::dotenv();
    T::parse()
}
