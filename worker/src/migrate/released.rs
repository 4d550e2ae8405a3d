//! Compares `migrations/` with the checksums in `migrations/released.txt`.

use super::{
    definitions::{FILES, checksum},
    embedded, newest_version,
};
use std::{collections::BTreeSet, env, fs, path::Path};

const RELEASED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/released.txt");

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

/// The name in a line of `released.txt`, which a checksum follows.
fn name(line: &str) -> &str {
    line.rsplit_once(' ').map_or(line, |(name, _)| name)
}

/// If a released migration changed, every database that has the former version would refuse it. If
/// views or functions changed without a new migration, an older release would replace them by its
/// own. `make contract` appends what is new, and never replaces a line.
#[test]
fn the_list_of_released_migrations_is_up_to_date() {
    let mut text = fs::read_to_string(RELEASED).unwrap();
    if env::var_os("UPDATE_CONTRACT").is_some() {
        let known: BTreeSet<_> = text.lines().map(name).collect();
        let new: Vec<_> = expected_lines().into_iter().filter(|line| !known.contains(name(line))).map(|line| line + "\n").collect();
        text.push_str(&new.concat());
        fs::write(RELEASED, &text).unwrap();
    }
    let released: BTreeSet<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let missing: Vec<_> = expected_lines().into_iter().filter(|line| !released.contains(line.as_str())).collect();
    assert!(missing.is_empty(), "migrations/released.txt lacks these lines; its head says what to do:\n{}", missing.join("\n"));
    let names: BTreeSet<_> = released.iter().map(|line| name(line)).collect();
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
