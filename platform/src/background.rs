//! Background tasks that run beside the main work for the whole life of a process. If one of them
//! returns or panics, the process must end. Otherwise it would go on without one of its parts and
//! still report that it is healthy.

use std::{any::Any, panic::AssertUnwindSafe};
use tokio::task::JoinSet;

/// A background task has returned or panicked. This should never happen.
#[derive(Debug, thiserror::Error)]
#[error("the background task {name} {how}")]
pub struct Ended {
    name: &'static str,
    how: String,
}

/// The background tasks of a process. Dropping this value aborts them.
#[derive(Default)]
pub struct Background(JoinSet<Ended>);

impl Background {
    /// Starts a task that is expected to run forever.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(async move {
            let how = match futures::FutureExt::catch_unwind(AssertUnwindSafe(task)).await {
                Ok(()) => "ended".to_owned(),
                Err(panic) => format!("panicked: {}", message(panic.as_ref())),
            };
            Ended { name, how }
        });
    }

    /// Waits until the first task ends. If there are no tasks, it waits forever.
    pub async fn ended(&mut self) -> Ended {
        match self.0.join_next().await {
            Some(Ok(ended)) => ended,
            // This is not expected: nobody aborts a single task, and panics are caught above.
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
