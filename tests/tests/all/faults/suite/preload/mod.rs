//! A library that changes two things for single programs of a run: the clock, and the free space of
//! the disk.
//!
//! The real clock and disk cannot be changed for one test only. So a small library (preload.c),
//! loaded with `LD_PRELOAD`, stands between the programs and the system. It is compiled here, with
//! the C compiler that Rust needs anyway. For each program, the library reads its settings from a
//! file with the program's name.

use anyhow::{Context as _, Result, ensure};
use std::{
    env, fs,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::{self, Command},
};

/// Programs that the library can influence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    Postgres,
    Worker,
    Api,
}

impl Program {
    pub(super) const ALL: [Self; 3] = [Self::Postgres, Self::Worker, Self::Api];

    fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Worker => "worker",
            Self::Api => "api",
        }
    }
}

/// The offsets of the two numbers in a program's file.
const CLOCK: u64 = 0;
const DISK: u64 = 8;

pub(super) struct Preload {
    folder: PathBuf,
    library: PathBuf,
}

impl Preload {
    /// Returns `None`, and prints a line about it, on systems without this mechanism.
    pub(super) fn new() -> Result<Option<Self>> {
        if !cfg!(target_os = "linux") {
            println!("no clock steps and no full disk: they need Linux");
            return Ok(None);
        }
        let folder = env::temp_dir().join(format!("orderflow-preload-{}-{}", process::id(), fastrand::u32(..)));
        fs::create_dir(&folder)?;
        let preload = Self { library: folder.join("preload.so"), folder };
        for program in Program::ALL {
            fs::write(preload.file(program), [0; 16])?;
        }
        let source = local::project().join("tests/tests/all/faults/suite/preload/preload.c");
        let made = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"])
            .args([&preload.library, &source])
            .arg(format!("-DFOLDER=\"{}\"", preload.folder.display()))
            .arg("-ldl")
            .output()
            .context("cc, which Rust needs to link, cannot be run")?;
        ensure!(made.status.success(), "{} cannot be compiled: {}", source.display(), String::from_utf8_lossy(&made.stderr));
        Ok(Some(preload))
    }

    /// The value of `LD_PRELOAD` for the programs.
    pub(super) fn library(&self) -> &Path {
        &self.library
    }

    /// Sets a program's clock this many seconds ahead of the true time.
    pub(super) fn set_clock(&self, program: Program, offset_s: i64) -> Result<()> {
        self.write(program, CLOCK, offset_s)
    }

    pub(super) fn fill_disk(&self, program: Program, full: bool) -> Result<()> {
        self.write(program, DISK, i64::from(full))
    }

    fn write(&self, program: Program, place: u64, number: i64) -> Result<()> {
        let file = fs::OpenOptions::new().write(true).open(self.file(program))?;
        Ok(file.write_all_at(&number.to_ne_bytes(), place)?)
    }

    fn file(&self, program: Program) -> PathBuf {
        self.folder.join(program.name())
    }
}

impl Drop for Preload {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
