//! Fail points: they end a worker between an activity's effect and its answer.

use anyhow::Result;
use std::{env, fs, io, path::PathBuf, process};

/// The folder of armed fail points. A file with an activity's name ends the worker after that
/// activity's effect.
pub(crate) struct FailPoints {
    folder: PathBuf,
}

impl FailPoints {
    pub(crate) fn new() -> io::Result<Self> {
        let folder = env::temp_dir().join(format!("orderflow-faults-{}-{}", process::id(), fastrand::u32(..)));
        fs::create_dir(&folder)?;
        Ok(Self { folder })
    }

    pub(crate) fn folder(&self) -> String {
        self.folder.display().to_string()
    }

    pub(crate) fn arm(&self, activity: &str) -> Result<()> {
        Ok(fs::write(self.folder.join(activity), "")?)
    }

    /// The fail points that have not ended a worker yet.
    pub(crate) fn armed(&self) -> Result<Vec<String>> {
        let files = fs::read_dir(&self.folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        files.collect()
    }
}

impl Drop for FailPoints {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
