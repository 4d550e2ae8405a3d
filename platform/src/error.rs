//! Errors as text for the log.

use std::error::Error;

/// An error of any kind, as the source of another one.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Returns the error's message, followed by the messages of its sources, each after a colon. A
/// message that is already there is left out, because some errors repeat their source.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}
