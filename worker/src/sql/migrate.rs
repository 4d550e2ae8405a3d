//! The version of the schema.

use super::{rows, statements};

statements! { "migrate";
    cached fn schema_exists() -> Schema;
    cached fn newest_version() -> NewestVersion;
}

rows! {
    struct Schema {
        is_present: bool,
    }

    struct NewestVersion {
        version: i32,
    }
}
