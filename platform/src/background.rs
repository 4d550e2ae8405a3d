//! Tasks that a process does beside its main work, for as long as it lives. One that ends, or panics, ends the process: a process that goes on
//! without one of its parts says that all is well while it is not.

use std::{any::Any, panic::AssertUnwindSafe};
use tokio::task::JoinSet;

/// A task ended, which none should.
#[derive(Debug, thiserror::Error)]
#[error("the background task {name} {how}")]
pub struct Ended {
    name: &'static str,
    how: String,
}

/// The tasks; dropping it ends them.
#[derive(Default)]
pub struct Background(JoinSet<Ended>);

impl Background {
    /// Starts a task that is to go on for ever.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(async move {
            let how = match futures::FutureExt::catch_unwind(AssertUnwindSafe(task)).await {
                Ok(()) => "ended".to_owned(),
                Err(panic) => format!("panicked: {}", message(panic.as_ref())),
            };
            Ended { name, how }
        });
    }

    /// Waits until the first of the tasks ends; for ever while there is none.
    pub async fn ended(&mut self) -> Ended {
        match self.0.join_next().await {
            Some(Ok(ended)) => ended,
            // Nobody aborts them, and their panics are caught.
            Some(Err(error)) => Ended { name: "of unknown name", how: error.to_string() },
            None => std::future::pending().await,
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_or_panics_is_told_by_its_name() {
        let mut background = Background::default();
        background.spawn("sweep", std::future::pending());
        background.spawn("courier", async { panic!("no {}", "templates") });
        assert_eq!(background.ended().await.to_string(), "the background task courier panicked: no templates");
        background.spawn("projector", async {});
        assert_eq!(background.ended().await.to_string(), "the background task projector ended");
    }
}
