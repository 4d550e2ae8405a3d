//! Compares other files that contain routes with the OpenAPI document: the manifest for `cargo
//! lambda watch`, the template of API Gateway, and the binaries. [`crate::openapi`] compares the
//! router of `api` with the document.

use crate::openapi::{document, operations};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// A method and a path.
type Route = (String, String);

/// The name of the function that serves an operation. It is derived from the operation's id. `live`
/// and `openapi` are served by `health`.
fn binary(operation: &Value) -> String {
    let id = operation["operationId"].as_str().unwrap();
    if matches!(id, "live" | "openapi") {
        return "health".to_owned();
    }
    id.chars().fold(String::new(), |name, c| if c.is_uppercase() { format!("{name}-{}", c.to_lowercase()) } else { format!("{name}{c}") })
}

/// The function of each documented route.
fn documented() -> BTreeMap<Route, String> {
    operations(&document()).into_iter().map(|(path, method, operation)| ((method, path), binary(&operation))).collect()
}

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The text between `start` and `end`.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.split_once(start)?.1.split_once(end).map(|(found, _)| found)
}

#[test]
fn the_manifest_has_the_documents_routes() {
    let documented = documented();
    let manifest = file("../Cargo.toml");
    let (_, router) = manifest.split_once("[workspace.metadata.lambda.watch.router]\n").unwrap();
    let mut watched = BTreeMap::new();
    for line in router.lines().take_while(|line| !line.is_empty()) {
        let (path, functions) = line.split_once(" = ").unwrap();
        let path = path.trim_matches('"').to_owned();
        if functions.starts_with('[') {
            for entry in functions.split("}, {") {
                let method = between(entry, "method = \"", "\"").unwrap();
                watched.insert((method.to_owned(), path.clone()), between(entry, "function = \"", "\"").unwrap().to_owned());
            }
        } else {
            // A function that is alone on its path gets every method of that path.
            let methods: Vec<_> = documented.keys().filter(|(_, documented)| *documented == path).map(|(method, _)| method).collect();
            let [method] = methods[..] else { panic!("{path} has {methods:?}") };
            watched.insert((method.clone(), path), functions.trim_matches('"').to_owned());
        }
    }
    assert_eq!(watched, documented);
}

#[test]
fn api_gateway_has_the_documents_routes() {
    let (mut function, mut routes, mut open) = (String::new(), BTreeMap::new(), BTreeSet::new());
    for line in file("../infra/api.yaml").lines() {
        if let Some(name) = between(line, "BuildProperties: { Binary: ", " }") {
            function = name.to_owned();
        }
        let (Some(method), Some(path)) = (between(line, "Method: ", ","), between(line, "Path: \"", "\"")) else { continue };
        let route = (method.to_owned(), path.to_owned());
        if line.contains("Auth: { Authorizer: NONE }") {
            open.insert(route.clone());
        }
        routes.insert(route, function.clone());
    }
    assert_eq!(routes, documented());
    let documented = operations(&document()).into_iter().filter(|(_, _, operation)| operation["security"].is_null());
    assert_eq!(open, documented.map(|(path, method, _)| (method, path)).collect());
}

#[test]
fn each_function_serves_its_operation() {
    let mut functions = BTreeSet::new();
    for (path, method, operation) in operations(&document()) {
        let function = binary(&operation);
        let module = if path == "/api/openapi.json" { "openapi".to_owned() } else { function.replace('-', "_") };
        let source = file(&format!("src/bin/{function}.rs"));
        assert!(source.contains(&format!("{module}::route()")), "{function} does not serve {method} {path}");
        assert!(source.lines().next().unwrap().contains(&format!("`{method} {path}`")), "{function} does not name {method} {path}");
        functions.insert(function);
    }
    let manifest = file("Cargo.toml");
    let binaries = manifest.split("[[bin]]\n").skip(1).map(|binary| between(binary, "name = \"", "\"").unwrap().to_owned());
    let others = ["api", "start-queued-orders"].map(str::to_owned);
    assert_eq!(binaries.collect::<BTreeSet<_>>(), functions.into_iter().chain(others).collect());
}
