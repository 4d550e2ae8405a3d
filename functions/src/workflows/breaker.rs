//! While Temporal is away, lets through one call a second to see whether it is back, and turns the others away at once.

use super::{Error, LIMIT};
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long nobody tries after a failure.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Breaker {
    /// When the next call may try. `None` while Temporal is there.
    next_try: Mutex<Option<Instant>>,
}

impl Breaker {
    /// Whether a call may try now. The one that may keeps the others out for as long as it can take, also if it is abandoned half-way.
    pub(super) fn allows(&self) -> bool {
        let mut next_try = self.next_try.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match *next_try {
            None => true,
            Some(at) if at <= now => {
                *next_try = Some(now + LIMIT + PAUSE);
                true
            }
            Some(_) => false,
        }
    }

    /// Learns from an attempt; logs when Temporal goes and when it comes back.
    pub(super) fn record<T>(&self, result: &Result<T, Error>) {
        let mut next_try = self.next_try.lock().unwrap_or_else(PoisonError::into_inner);
        let was_away = next_try.is_some();
        *next_try = result.is_err().then(|| Instant::now() + PAUSE);
        match result {
            Err(error) if !was_away => tracing::warn!(cause = error.chain(), "Temporal is away"),
            Ok(_) if was_away => tracing::info!("Temporal is back"),
            _ => {}
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
        breaker.record::<()>(&Err(Error::TimedOut));
        assert!(!breaker.allows());
        *breaker.next_try.lock().unwrap() = Some(Instant::now());
        assert!(breaker.allows());
        assert!(!breaker.allows(), "one at a time");
        breaker.record(&Ok(()));
        assert!(breaker.allows() && breaker.allows());
    }
}
