//! Where the servers' programs are. `local/install` finds or installs them and leaves a link to each in `.local/bin`, so this is the only place to look.

use crate::settings::project;
use anyhow::{Result, bail};
use std::{
    env,
    path::{Path, PathBuf},
};

/// The programs of the servers, and of OrderFlow itself.
#[derive(Clone, Debug)]
pub struct Tools {
    installed: PathBuf,
}

impl Default for Tools {
    fn default() -> Self {
        Self { installed: project().join(".local/bin") }
    }
}

impl Tools {
    /// A program that `make deps` has provided.
    ///
    /// # Errors
    /// When it is not there.
    pub fn installed(&self, name: &str) -> Result<PathBuf> {
        let path = self.installed.join(name);
        if !path.exists() {
            bail!("{name} is missing: run `make deps`");
        }
        Ok(path)
    }

    /// A binary of this workspace: it lies beside the running one, or above it when a test runs.
    ///
    /// # Errors
    /// When it has not been built.
    pub fn built(name: &str) -> Result<PathBuf> {
        let running = env::current_exe()?;
        match running.ancestors().skip(1).take(2).map(|folder: &Path| folder.join(name)).find(|path| path.is_file()) {
            Some(path) => Ok(path),
            None => bail!("the binary {name} is missing: run `make build`"),
        }
    }
}
