//! Compares every file in `worker/sql` with its declaration, with the migrated schema of a real
//! Postgres, and with the Rust code that repeats its rules.

mod states;

use super::*;
use crate::{migrate::bring_up_to_date, ops::failing::LOOPS};
use local::Stack;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const ALL: &[&[Declared]] = &[
    attention::DECLARED,
    audit::DECLARED,
    events::DECLARED,
    failing::DECLARED,
    history::DECLARED,
    stock::DECLARED,
    maintenance::DECLARED,
    migrate::DECLARED,
    notification::DECLARED,
    order::DECLARED,
    payment::DECLARED,
    projection::DECLARED,
    refund::DECLARED,
    report::DECLARED,
    restock::DECLARED,
    resume::DECLARED,
    risk::DECLARED,
    sandbox_carrier::DECLARED,
    sandbox_gateway::DECLARED,
    shipping::DECLARED,
    system::DECLARED,
];

fn declared() -> Vec<Declared> {
    let invariants = audit::INVARIANTS.iter().chain(audit::TOPIC_INVARIANTS).map(audit::Invariant::declared);
    ALL.iter().copied().flatten().copied().chain(invariants).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sql")
}

/// The files in a folder and its subfolders, relative to `worker/sql`.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.strip_prefix(self::folder()).unwrap().display().to_string());
        }
    }
    found
}

/// The text with each sequence of white space replaced by one space.
fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns the parts of a text between each `start` and the next `end`.
fn between<'a>(text: &'a str, start: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(start).skip(1).filter_map(move |rest| rest.split(end).next())
}

/// The differences between the declaration of a statement and what Postgres reports of it.
async fn mistakes(client: &tokio_postgres::Client, declared: &Declared) -> Vec<String> {
    let prepared = match client.prepare(declared.statement).await {
        Ok(prepared) => prepared,
        Err(error) => return vec![format!("{}: {}", declared.file, error.as_db_error().map_or(error.to_string(), ToString::to_string))],
    };
    let mut mistakes = Vec::new();
    let (types, parameters) = (prepared.params(), declared.parameters);
    if types.len() != parameters.len() {
        mistakes.push(format!("{} parameters are declared, and it has {}", parameters.len(), types.len()));
    }
    for (Parameter { name, accepts }, kind) in parameters.iter().zip(types) {
        if !accepts(kind) {
            mistakes.push(format!("the parameter {name} is a {kind}"));
        }
    }
    for Column { name, accepts } in (declared.columns)() {
        match prepared.columns().iter().find(|column| column.name() == name) {
            None => mistakes.push(format!("it has no column {name}")),
            Some(column) if !accepts(column.type_()) => mistakes.push(format!("the column {name} is a {}", column.type_())),
            Some(_) => {}
        }
    }
    mistakes.into_iter().map(|mistake| format!("{}: {mistake}", declared.file)).collect()
}

/// An empty database with the migrated schema. The database is removed when the stack is dropped.
async fn migrated() -> (Stack, tokio_postgres::Client) {
    let stack = Stack::fresh(0, &[]).unwrap();
    stack.postgres.start().await.unwrap();
    let mut client = stack.postgres.service().connect().await.unwrap();
    bring_up_to_date(&mut client, false).await.unwrap();
    (stack, client)
}

#[tokio::test]
async fn statements_fit_their_declarations_and_the_schema() {
    let (_stack, client) = migrated().await;
    let mut found = Vec::new();
    for declared in declared() {
        found.extend(mistakes(&client, &declared).await);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    let wrong = Declared { file: "wrong", statement: "SELECT $1::bigint AS number", ..ALL[0][0] };
    let wrong = Declared {
        parameters: &[Parameter { name: "text", accepts: <&str as ToSql>::accepts }],
        columns: || vec![Column { name: "other", accepts: |_| true }, Column { name: "number", accepts: |_| false }],
        ..wrong
    };
    let expected = ["wrong: the parameter text is a int8", "wrong: it has no column other", "wrong: the column number is a int8"];
    assert_eq!(mistakes(&client, &wrong).await, expected);
}

#[test]
fn every_file_is_declared_once_and_says_what_it_does() {
    let declared = declared();
    let used: BTreeSet<String> = declared.iter().map(|declared| declared.file.to_owned()).collect();
    assert_eq!(used.len(), declared.len());
    assert_eq!(files(&folder()), used);
    for Declared { file, statement, .. } in declared {
        let text = fs::read_to_string(folder().join(file)).unwrap();
        assert!(text.starts_with("-- ") && text.ends_with('\n'), "{file} must begin with a comment");
        assert!(!statement.contains("--"), "{file}: comments stand above the statement");
    }
}

#[test]
fn loops_that_are_written_out_are_those_of_the_code() {
    for Declared { file, statement, .. } in declared() {
        for loop_name in between(&in_one_line(statement), "loop = '", "'") {
            assert!(LOOPS.contains(&loop_name), "{file}: {loop_name}");
        }
    }
}
