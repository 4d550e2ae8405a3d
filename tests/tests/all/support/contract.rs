//! The API's contract: every answer that a test reads must match the OpenAPI document.

use functions::openapi;
use jsonschema::Validator;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(openapi::DOCUMENT).expect("the document is JSON"));
/// The validators of answer bodies, by the document's path, status and media type. They are cached,
/// because creating one takes longer than using it.
type Bodies = HashMap<(String, u16, String), Arc<Validator>>;
static BODIES: LazyLock<Mutex<Bodies>> = LazyLock::new(Mutex::default);

/// Whether a path matches a path of the document.
fn matches(documented: &str, path: &str) -> bool {
    let (documented, path): (Vec<&str>, Vec<&str>) = (documented.split('/').collect(), path.split('/').collect());
    documented.len() == path.len() && documented.iter().zip(path).all(|(part, is)| part.starts_with('{') || *part == is)
}

/// Follows a `$ref`.
fn resolve(value: &Value) -> &Value {
    let target = value.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
    target.map_or(value, |target| DOCUMENT.pointer(target).expect("the document refers to what it has"))
}

/// An answer does not say which method it belongs to. So a body is valid if any method of the path
/// may answer with it.
fn validator(documented: &str, status: u16, media: &str) -> Option<Validator> {
    let methods = DOCUMENT["paths"][documented].as_object()?.values();
    let answers = methods.filter_map(|operation| operation["responses"].get(status.to_string())).map(resolve);
    let schemas: Vec<&Value> = answers.filter_map(|answer| answer["content"].get(media)?.get("schema")).collect();
    let schema = json!({ "anyOf": schemas, "components": DOCUMENT["components"] });
    (!schemas.is_empty()).then(|| jsonschema::validator_for(&schema).expect("the document's schemas are valid"))
}

/// Panics if the document does not have such an answer. The document leaves out 405.
pub(super) fn check(path: &str, status: u16, media: &str, body: &Value) {
    let paths = DOCUMENT["paths"].as_object().into_iter().flat_map(|paths| paths.keys());
    // A path without parameters takes precedence over one with parameters.
    let Some(documented) = paths.filter(|documented| matches(documented, path)).min_by_key(|path| path.matches('{').count()) else {
        return;
    };
    if status == 405 || body == &Value::String(String::new()) {
        return;
    }
    let key = (documented.clone(), status, media.to_owned());
    let known = BODIES.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
    let validator = known.unwrap_or_else(|| {
        let made = validator(documented, status, media).map(Arc::new);
        let made = made.unwrap_or_else(|| panic!("{path} answers {status} with {media}, which the document does not say: {body}"));
        BODIES.lock().unwrap_or_else(PoisonError::into_inner).insert(key, made.clone());
        made
    });
    let faults: Vec<_> = validator.iter_errors(body).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "{path} answers {status} with {body}, which is not as the document says: {faults:?}");
}

#[test]
fn an_undocumented_answer_is_noticed() {
    let health = json!({ "status": "ok", "dependencies": [] });
    check("/api/health", 200, "application/json", &health);
    check("/api/orders/ord_1", 404, "text/plain", &Value::String(String::new()));
    for (path, status, media, body) in [
        ("/api/health", 200, "application/json", json!({ "status": 1 })),
        ("/api/health", 202, "application/json", health.clone()),
        ("/api/health", 200, "text/html", health),
        ("/api/orders/ord_1", 404, "application/problem+json", json!({ "status": 404 })),
    ] {
        assert!(std::panic::catch_unwind(|| check(path, status, media, &body)).is_err(), "{path} {status} {media} {body}");
    }
}
