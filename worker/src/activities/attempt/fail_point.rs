//! Fault injection: the fault suite ends a worker after an activity had its effect and before it
//! answers. Only builds with debug assertions contain this.
//!
//! The environment variable `FAIL_POINTS` names a folder. If that folder has a file with the name
//! of an activity, an attempt of this activity that has had its effect removes the file and ends
//! the process. The process ends without unwinding and without reporting anything, as after `kill
//! -9`.

use std::{fs, path::PathBuf, process, sync::LazyLock};

static FOLDER: LazyLock<Option<PathBuf>> = LazyLock::new(|| std::env::var_os("FAIL_POINTS").map(PathBuf::from));

pub(in crate::activities) fn reached(activity: &str) {
    // If several attempts are here at once, only one of them removes the file.
    if FOLDER.as_ref().is_some_and(|folder| fs::remove_file(folder.join(activity)).is_ok()) {
        process::abort();
    }
}
