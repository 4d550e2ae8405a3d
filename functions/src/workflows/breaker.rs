//! A circuit breaker. While Temporal is away, one call a second tries whether it is back, and the
//! other calls fail at once.
//!
//! A slow Temporal is not away. Under load, single calls time out while others succeed. If the
//! circuit breaker opened then, orders would wait in the intake queue without need. Therefore,
//! timeouts count only if there are several in a row.

use super::{CALL_TIMEOUT, Error};
use platform::error::chain;
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The pause after a failure, in which no call tries.
const PAUSE: Duration = Duration::from_secs(1);
/// The number of timeouts in a row after which Temporal counts as away.
const MAX_TIMEOUTS: u32 = 5;

#[derive(Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Default)]
struct State {
    /// When the next call may try. `None` while the circuit breaker is closed.
    next_try: Option<Instant>,
    timeouts: u32,
}

impl Breaker {
    /// Whether a call may try now. While the circuit breaker is open, only one call tries. All
    /// others are refused for the longest time that this call can take, even if it is abandoned
    /// before its end.
    pub(super) fn allows(&self) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match state.next_try {
            None => true,
            Some(at) if at <= now => {
                state.next_try = Some(now + CALL_TIMEOUT + PAUSE);
                true
            }
            Some(_) => false,
        }
    }

    /// Records the result of an attempt. Logs when Temporal goes away and when it is back.
    pub(super) fn record_result<T>(&self, result: &Result<T, Error>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let was_away = state.next_try.is_some();
        state.timeouts = if matches!(result, Err(Error::TimedOut)) { state.timeouts + 1 } else { 0 };
        match result {
            Err(Error::TimedOut) if !was_away && state.timeouts < MAX_TIMEOUTS => {}
            // An answer that refuses one input says nothing about other inputs.
            Err(error) if !error.is_final() => {
                state.next_try = Some(Instant::now() + PAUSE);
                if !was_away {
                    tracing::warn!(cause = chain(error), "Temporal is away");
                }
            }
            _ => {
                state.next_try = None;
                if was_away {
                    tracing::info!("Temporal is back");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use temporalio_client::{errors::WorkflowStartError, tonic};

    #[test]
    fn lets_one_try_after_a_pause() {
        let breaker = Breaker::default();
        assert!(breaker.allows() && breaker.allows());
        breaker.record_result::<()>(&Err(Error::CircuitOpen));
        assert!(!breaker.allows());
        breaker.0.lock().unwrap().next_try = Some(Instant::now());
        assert!(breaker.allows());
        assert!(!breaker.allows(), "one at a time");
        breaker.record_result(&Ok(()));
        assert!(breaker.allows() && breaker.allows());
    }

    #[test]
    fn an_answer_that_refuses_an_input_is_an_answer() {
        let refused = WorkflowStartError::Rpc(tonic::Status::invalid_argument("no such search attribute"));
        let breaker = Breaker::default();
        breaker.record_result::<()>(&Err(Error::Start(refused)));
        assert!(breaker.allows() && breaker.allows());
    }

    #[test]
    fn being_slow_is_not_being_away() {
        let breaker = Breaker::default();
        for _ in 0..3 {
            (1..MAX_TIMEOUTS).for_each(|_| breaker.record_result::<()>(&Err(Error::TimedOut)));
            breaker.record_result(&Ok(()));
        }
        assert!(breaker.allows());
        (0..MAX_TIMEOUTS).for_each(|_| breaker.record_result::<()>(&Err(Error::TimedOut)));
        assert!(!breaker.allows());
    }
}
