//! Compares `migrations/` with the checksums in `migrations/released.txt`.

use super::{
    definitions::{FILES, checksum},
    embedded, newest_version,
};
use std::{collections::BTreeSet, fs, path::Path};

const RELEASED: &str = include_str!("../../../migrations/released.txt");

/// The lines of `released.txt` that this release needs.
fn expected_lines() -> Vec<String> {
    let own = embedded::migrations::runner();
    let short = |text: &str| checksum(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut migrations = own.get_migrations().clone();
    migrations.sort();
    let mut lines: Vec<_> =
        migrations.iter().map(|migration| format!("{migration} {}", short(migration.sql().unwrap_or_default()))).collect();
    let definitions: Vec<_> = FILES.iter().map(|(file, text)| format!("{file}\n{text}")).collect();
    lines.push(format!("V{} definitions {}", newest_version(&own), short(&definitions.concat())));
    lines
}

/// If a released migration changed, every database that has the former version would refuse it. If
/// views or functions changed without a new migration, an older release would replace them by its
/// own.
#[test]
fn what_is_released_does_not_change() {
    let released: BTreeSet<_> = RELEASED.lines().filter(|line| !line.starts_with('#')).collect();
    let missing: Vec<_> = expected_lines().into_iter().filter(|line| !released.contains(line.as_str())).collect();
    assert!(
        missing.is_empty(),
        "migrations/released.txt lacks these lines; its head says when a line may be added, and when a new migration is needed:\n{}",
        missing.join("\n")
    );
    let names: BTreeSet<_> = released.iter().filter_map(|line| line.rsplit_once(' ')).map(|(name, _)| name).collect();
    assert_eq!(names.len(), released.len(), "released.txt has two checksums of one thing");
}

#[test]
fn every_view_and_function_is_applied() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
    let mut found = BTreeSet::new();
    for kind in ["functions", "views"] {
        for entry in fs::read_dir(folder.join(kind)).unwrap() {
            found.insert(format!("{kind}/{}", entry.unwrap().file_name().display()));
        }
    }
    assert_eq!(found, FILES.iter().map(|(file, _)| (*file).to_owned()).collect());
}
