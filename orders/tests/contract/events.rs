//! Compares the JSON Schemas in docs/events with the types of the events.

use orders::{
    event::{STATUS_CHANGED, STATUS_CHANGED_VERSION, StatusChanged},
    schema,
};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};
use utoipa::ToSchema;

/// The schema of an event, with the schemas that it refers to.
fn schema_of<Event: ToSchema>(r#type: &str, version: u32) -> Value {
    let mut references = Vec::new();
    Event::schemas(&mut references);
    let mut document = json!(Event::schema());
    document["$defs"] = references.into_iter().map(|(name, schema)| (name, json!(schema))).collect();
    document["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    document["$id"] = json!(format!("urn:orderflow:event:{type}:{version}"));
    document["title"] = json!(r#type);
    schema::tidy(&mut document);
    let text = document.to_string().replace("#/components/schemas/", "#/$defs/");
    serde_json::from_str(&text).expect("it was JSON before")
}

#[test]
fn the_schema_of_each_event_is_up_to_date() {
    let text = schema::to_text(&schema_of::<StatusChanged>(STATUS_CHANGED, STATUS_CHANGED_VERSION));
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../docs/events/{STATUS_CHANGED}.json"));
    if std::env::var_os("UPDATE_CONTRACT").is_some() {
        fs::write(&path, text).expect("the file can be written");
        return;
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == text, "{} is stale: run `make contract`", path.display());
}
