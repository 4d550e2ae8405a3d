//! The page, in a real browser: `tests/page` drives it against a stack of its own.

use crate::support::own;
use anyhow::{Context as _, ensure};
use tokio::process::Command;

#[test]
fn the_page_works_in_a_browser() {
    own(1, &[], async |shop| {
        let project = local::project();
        let mut node = Command::new("node");
        node.arg("--test").current_dir(project.join("tests/page")).env("BASE_URL", shop.url("")).kill_on_drop(true);
        let chromium = project.join(".local/bin/chromium");
        if chromium.exists() {
            node.env("CHROMIUM", chromium);
        }
        let run = node.output().await.context("node cannot be run: local/install page-test says what is missing")?;
        ensure!(run.status.success(), "{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        shop.audit_is_clean().await
    });
}
