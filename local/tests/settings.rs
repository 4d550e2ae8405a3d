//! env.example is where a reader looks for every setting.

use local::{Stack, Tools, project};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
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

/// Keys of env.example that it leaves out, with the values that it gives as examples.
fn left_out() -> BTreeMap<String, String> {
    let example = fs::read_to_string(project().join("env.example")).unwrap();
    let entries = example.lines().filter_map(|line| line.strip_prefix('#')?.split_once('='));
    let entries = entries.filter(|(key, _)| key.chars().all(|char| char.is_ascii_uppercase() || char.is_ascii_digit() || char == '_'));
    entries.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[test]
fn a_fresh_stack_has_nothing_of_the_developer() {
    let env: BTreeMap<String, String> = Stack::fresh(1, &[("PAYMENT_METHODS", "pm_card=Card")]).unwrap().env().into_iter().collect();
    let left_out = left_out();
    assert!(left_out.len() > 20, "only {left_out:?}");
    for key in left_out.keys() {
        let given = if key == "PAYMENT_METHODS" { "pm_card=Card" } else { "" };
        assert_eq!(env.get(key).map(String::as_str), Some(given), "{key}");
    }
}

#[test]
fn every_example_can_be_used_as_it_stands() {
    for (key, value) in left_out() {
        let read: Result<Vec<_>, _> = dotenvy::from_read_iter(format!("{key}={value}\n").as_bytes()).collect();
        assert_eq!(read.unwrap_or_else(|error| panic!("{key}: {error}")).len(), 1);
    }
}

#[test]
fn a_line_that_cannot_be_read_stops_every_binary() {
    let folder = std::env::temp_dir().join(format!("orderflow-settings-{}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(".env"), "LOG_LEVEL=info\nA=b c\n").unwrap();
    for (binary, args) in [("worker", &["run"][..]), ("api", &[])] {
        let ended = Command::new(Tools::built(binary).unwrap()).args(args).current_dir(&folder).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(2), "{said}");
        assert!(said.starts_with("error: line 2 of ") && said.contains("/.env is not KEY=value") && said.lines().count() == 1, "{said}");
    }
    fs::remove_dir_all(folder).unwrap();
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
