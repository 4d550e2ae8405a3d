//! Whether a worker is doing something. A worker on demand ends when it has been idle for a while.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Counts the attempts, deliveries and other work that a worker has begun. Its clones share the
/// count.
#[derive(Clone)]
pub(crate) struct Busy(Arc<Mutex<State>>);

struct State {
    running: usize,
    /// When the last piece of work ended, or when the worker began.
    last: Instant,
}

/// A piece of work that has begun. It ends when this value is dropped.
#[must_use]
pub(crate) struct Begun(Busy);

impl Default for Busy {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State { running: 0, last: Instant::now() })))
    }
}

impl Busy {
    pub(crate) fn begin(&self) -> Begun {
        self.change(|state| state.running += 1);
        Begun(self.clone())
    }

    /// For how long nothing has been running.
    pub(crate) fn idle_for(&self) -> Duration {
        self.change(|state| if state.running == 0 { state.last.elapsed() } else { Duration::ZERO })
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.change(|state| {
            state.running -= 1;
            state.last = Instant::now();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::sleep;

    #[test]
    fn a_worker_is_idle_when_all_its_work_has_ended() {
        const PAUSE: Duration = Duration::from_millis(20);
        let busy = Busy::default();
        let (one, other) = (busy.begin(), busy.clone().begin());
        sleep(PAUSE);
        assert_eq!(busy.idle_for(), Duration::ZERO);
        drop(one);
        sleep(PAUSE);
        assert_eq!(busy.idle_for(), Duration::ZERO, "the other one is still running");
        drop(other);
        sleep(PAUSE);
        assert!(busy.idle_for() >= PAUSE);
    }
}
