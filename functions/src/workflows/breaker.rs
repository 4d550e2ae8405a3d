//! While Temporal is away, lets through one call a second to see whether it is back, and turns the others away at once.
//!
//! A Temporal that is slow is not away: under load single calls take too long while others succeed, and turning everybody away then would make
//! orders wait in the intake queue for nothing. So time-outs count only when several come in a row.

use super::{Error, LIMIT};
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long nobody tries after a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// Time-outs in a row that count as being away.
const TIMEOUTS: u32 = 5;

#[derive(Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Default)]
struct State {
    /// When the next call may try. `None` while Temporal is there.
    next_try: Option<Instant>,
    timeouts: u32,
}

impl Breaker {
    /// Whether a call may try now. The one that may keeps the others out for as long as it can take, also if it is abandoned half-way.
    pub(super) fn allows(&self) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match state.next_try {
            None => true,
            Some(at) if at <= now => {
                state.next_try = Some(now + LIMIT + PAUSE);
                true
            }
            Some(_) => false,
        }
    }

    /// Learns from an attempt; logs when Temporal goes and when it comes back.
    pub(super) fn record<T>(&self, result: &Result<T, Error>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let was_away = state.next_try.is_some();
        state.timeouts = if matches!(result, Err(Error::TimedOut)) { state.timeouts + 1 } else { 0 };
        match result {
            Err(Error::TimedOut) if !was_away && state.timeouts < TIMEOUTS => {}
            Err(error) => {
                state.next_try = Some(Instant::now() + PAUSE);
                if !was_away {
                    tracing::warn!(cause = error.chain(), "Temporal is away");
                }
            }
            Ok(_) => {
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

    #[test]
    fn lets_one_try_after_a_pause() {
        let breaker = Breaker::default();
        assert!(breaker.allows() && breaker.allows());
        breaker.record::<()>(&Err(Error::Resting));
        assert!(!breaker.allows());
        breaker.0.lock().unwrap().next_try = Some(Instant::now());
        assert!(breaker.allows());
        assert!(!breaker.allows(), "one at a time");
        breaker.record(&Ok(()));
        assert!(breaker.allows() && breaker.allows());
    }

    #[test]
    fn being_slow_is_not_being_away() {
        let breaker = Breaker::default();
        for _ in 0..3 {
            (1..TIMEOUTS).for_each(|_| breaker.record::<()>(&Err(Error::TimedOut)));
            breaker.record(&Ok(()));
        }
        assert!(breaker.allows());
        (0..TIMEOUTS).for_each(|_| breaker.record::<()>(&Err(Error::TimedOut)));
        assert!(!breaker.allows());
    }
}
