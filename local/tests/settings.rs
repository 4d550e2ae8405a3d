//! Tests that env.example documents every setting.

use local::{Stack, Tools, project};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Settings that the worker and `api` read but do not get in containers, grouped by reason.
const NOT_IN_CONTAINERS: &[(&str, &[&str])] = &[
    ("the images set it", &["API_HOST", "API_METRICS_HOST", "WEB_DIR", "WORKER_HOST"]),
    ("each container has its own ports", &["API_METRICS_PORT", "API_PORT", "WORKER_PORT"]),
    ("it names a file or a folder, for which there is no mount", &["NOTICE_TEMPLATES", "POSTGRES_TLS_CA"]),
    ("Postgres and Temporal are in containers beside them, without TLS", &["POSTGRES_TLS", "TEMPORAL_TLS", "TEMPORAL_API_KEY"]),
    ("as above", &["TEMPORAL_TLS_CLIENT_CERT", "TEMPORAL_TLS_CLIENT_KEY"]),
    ("workers in containers run all the time", &["WORKER_WAKEUP_QUEUE_URL"]),
    ("LocalStack has no secrets", &["CARRIER_SECRET_ARN", "POSTGRES_SECRET_ARN", "STRIPE_SECRET_ARN", "TEMPORAL_SECRET_ARN"]),
    ("as above", &["TEMPORAL_CUSTOMER_SECRET_ARN"]),
];

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

/// The keys that env.example comments out, with their example values.
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

#[test]
fn what_worker_and_api_read_reaches_their_containers() {
    let compose = fs::read_to_string(project().join("docker-compose.yml")).unwrap();
    let excepted: Vec<&str> = NOT_IN_CONTAINERS.iter().flat_map(|(_, keys)| *keys).copied().collect();
    for (container, help) in [("worker", &["run", "--help"][..]), ("api", &["--help"])] {
        let help = Command::new(Tools::built(container).unwrap()).args(help).current_dir("/").output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        let read = help.split("[env: ").skip(1).filter_map(|rest| rest.split(['=', ']']).next());
        let passed = environment(&compose, &format!("  {container}:"));
        let missing: Vec<&str> = read.filter(|key| !passed.contains(*key) && !excepted.contains(key)).collect();
        assert!(passed.len() > 20 && missing.is_empty(), "{container} does not get {missing:?} of docker-compose.yml");
    }
}

/// `sam local` passes only those variables to a function that sam.json gives a value.
#[test]
fn sam_local_gets_each_secret_of_the_functions() {
    let templates = fs::read_to_string(project().join("infra/api.yaml")).unwrap();
    let given = fs::read_to_string(project().join("local/compose/sam.json")).unwrap();
    let keys = templates.lines().filter_map(|line| line.trim().split_once(':')).map(|(key, _)| key);
    let secrets: BTreeSet<&str> = keys.filter(|key| key.ends_with("_SECRET_ARN")).collect();
    assert!(secrets.len() > 2, "only {secrets:?}");
    for secret in secrets {
        assert!(given.contains(&format!("\"{secret}\": \"\"")), "{secret}");
    }
}

/// The environment variables in the block under a heading of docker-compose.yml, and in the blocks
/// merged into it.
fn environment<'a>(compose: &'a str, heading: &str) -> BTreeSet<&'a str> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let block = compose.lines().skip_while(|line| !line.starts_with(heading)).skip(1);
    let block = block.take_while(|line| line.trim().is_empty() || indent(line) > indent(heading));
    let mut found = BTreeSet::new();
    for (name, value) in block.filter_map(|line| line.trim().split_once(':')) {
        if name == "<<" {
            let merged = value.split(['[', ']', ',', ' ']).filter_map(|name| name.strip_prefix('*'));
            merged.for_each(|name| found.extend(environment(compose, &format!("x-{name}:"))));
        } else if name.starts_with(|char: char| char.is_ascii_uppercase()) {
            found.insert(name);
        }
    }
    found
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
