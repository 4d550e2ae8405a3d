//! Where the fault suite ends a worker: after an activity's effect, before its answer. Only builds with debug assertions have it.
//!
//! `FAIL_POINTS` names a folder. While a file there bears an activity's name, the next attempt at that activity that has had its effect removes
//! the file and ends the process, without unwinding and without a word to anybody, as `kill -9` would.

use std::{fs, path::PathBuf, process, sync::LazyLock};

static FOLDER: LazyLock<Option<PathBuf>> = LazyLock::new(|| std::env::var_os("FAIL_POINTS").map(PathBuf::from));

pub(in crate::activities) fn reached(activity: &str) {
    // Of several attempts at once, one removes the file.
    if FOLDER.as_ref().is_some_and(|folder| fs::remove_file(folder.join(activity)).is_ok()) {
        process::abort();
    }
}
