//! Finds the programs of the servers. `local/install` finds or installs them and puts a link to
//! each into `.local/bin`, so this is the only folder to look in.

use crate::settings::project;
use anyhow::{Result, bail};
use std::{
    env,
    path::{Path, PathBuf},
};

/// The programs of the servers and of OrderFlow itself.
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
    /// The path of a program that `make deps` has provided.
    ///
    /// # Errors
    /// Fails if the program is missing.
    pub fn installed(&self, name: &str) -> Result<PathBuf> {
        let path = self.installed.join(name);
        if !path.exists() {
            bail!("{name} is missing: run `make deps`");
        }
        Ok(path)
    }

    /// The path of a binary of this workspace. It is in the folder of the running binary, or in the
    /// folder above in a test.
    ///
    /// # Errors
    /// Fails if the binary has not been built.
    pub fn built(name: &str) -> Result<PathBuf> {
        let running = env::current_exe()?;
        match running.ancestors().skip(1).take(2).map(|folder: &Path| folder.join(name)).find(|path| path.is_file()) {
            Some(path) => Ok(path),
            None => bail!("the binary {name} is missing: run `make build`"),
        }
    }
}
