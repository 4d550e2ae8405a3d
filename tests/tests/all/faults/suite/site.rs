//! The place of a run: the system, the record, and the suite's tools.

use super::{queue::Queue, record::Record, unique};
use crate::support::Shop;
use anyhow::Result;
use std::{env, fs, io, path::PathBuf};

pub(super) struct Site<'a> {
    pub(super) shop: &'a Shop,
    pub(super) record: Record,
    pub(super) queue: Queue,
    pub(super) fail_points: &'a FailPoints,
}

/// The folder in which a file with an activity's name ends the worker after the activity's effect.
pub(super) struct FailPoints {
    folder: PathBuf,
}

impl FailPoints {
    pub(super) fn new() -> io::Result<Self> {
        let folder = env::temp_dir().join(unique());
        fs::create_dir(&folder)?;
        Ok(Self { folder })
    }

    pub(super) fn folder(&self) -> String {
        self.folder.display().to_string()
    }

    pub(super) fn arm(&self, activity: &str) -> Result<()> {
        Ok(fs::write(self.folder.join(activity), "")?)
    }

    /// Those that have not ended a worker yet.
    pub(super) fn armed(&self) -> Result<Vec<String>> {
        let files = fs::read_dir(&self.folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        files.collect()
    }
}

impl Drop for FailPoints {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
