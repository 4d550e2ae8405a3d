//! Compares generated files with their sources: `docs/metrics.md` with the definitions of the
//! metrics, and `observability/dashboards` with `dashboards.rs` here. Both are written by `make
//! contract`. It also checks the alerts.

mod alerts;
mod dashboards;
mod grafana;
mod page;
mod promql;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// A path from the project's folder.
fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(project(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Compares a file with what it should be, or writes it.
fn is_up_to_date(path: &str, expected: &str) {
    if env::var_os("UPDATE_CONTRACT").is_some() {
        fs::write(project(path), expected).unwrap();
        return;
    }
    let found = fs::read_to_string(project(path)).unwrap_or_default();
    assert!(found == expected, "{path} is stale: run `make contract`");
}
