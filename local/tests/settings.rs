//! env.example is where a reader looks for every setting.

use local::project;
use std::{
    fs,
    path::{Path, PathBuf},
};

#[test]
fn every_variable_that_a_binary_reads_is_explained_in_env_example() {
    let example = fs::read_to_string(project().join("env.example")).unwrap();
    let explained = |key: &str| example.lines().any(|line| line.trim_start_matches('#').starts_with(&format!("{key}=")));
    let mut read = 0;
    for file in ["functions/src", "platform/src", "worker/src"].iter().flat_map(|folder| sources(&project().join(folder))) {
        let text = fs::read_to_string(&file).unwrap();
        for (_, rest) in text.match_indices("env = \"").map(|(at, found)| text.split_at(at + found.len())) {
            let key = rest.split('"').next().unwrap();
            assert!(explained(key), "{key} of {} is not in env.example", file.display());
            read += 1;
        }
    }
    assert!(read > 20, "only {read} variables found");
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
