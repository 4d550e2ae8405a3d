//! The measurement of one call to another system.

use platform::metrics::{Counter, Histogram};
use std::time::Instant;

/// How a call ended. The names are those of the label `outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    /// The other system answered, and refused.
    Refused,
    /// There was no answer, or an error that another attempt may not have.
    Failed,
}

/// A call that has begun. If it is dropped before its end, because its caller does not wait any
/// longer, it counts as failed.
pub(crate) struct Call {
    requests: &'static Counter,
    durations: &'static Histogram,
    system: &'static str,
    name: &'static str,
    began: Instant,
    outcome: Outcome,
}

impl Call {
    /// Begins a call `name` to a system. The labels of `requests` are the system, the call and the
    /// outcome; those of `durations` are the system and the call.
    pub(crate) fn begin(requests: &'static Counter, durations: &'static Histogram, system: &'static str, name: &'static str) -> Self {
        Self { requests, durations, system, name, began: Instant::now(), outcome: Outcome::Failed }
    }

    /// Waits for the answer, and counts it.
    pub(crate) async fn end<T>(mut self, answer: impl Future<Output = T>, outcome: impl FnOnce(&T) -> Outcome) -> T {
        let answer = answer.await;
        self.outcome = outcome(&answer);
        answer
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let outcome = match self.outcome {
            Outcome::Ok => "ok",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
        };
        self.requests.increment(&[self.system, self.name, outcome]);
        self.durations.observe(self.began.elapsed(), &[self.system, self.name]);
    }
}
