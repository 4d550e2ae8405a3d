//! Watches how long no call has reached Temporal.
//!
//! A connection keeps its client certificate. If the certificate has expired, every attempt to
//! reconnect fails as if Temporal were away. Therefore, if no call has reached Temporal for
//! [`RENEW`], the connection should be replaced.

use super::Error;
use platform::temporal::{self, RENEW};
use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

#[derive(Default)]
pub(super) struct ReconnectWatch(Mutex<Option<Instant>>);

impl ReconnectWatch {
    /// Records the result of an attempt that ended at `now`. Returns true if no call has reached
    /// Temporal for more than [`RENEW`], at most once in that time.
    pub(super) fn should_reconnect<T>(&self, result: &Result<T, Error>, now: Instant) -> bool {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            // Temporal may be busy, so the attempt counts neither as reached nor as unreached.
            Err(Error::TimedOut) => false,
            Err(error) if error.status().is_some_and(temporal::is_unreached) => {
                let is_too_long = now.duration_since(*since.get_or_insert(now)) > RENEW;
                if is_too_long {
                    *since = None;
                }
                is_too_long
            }
            _ => {
                *since = None;
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use temporalio_client::tonic::{Code, Status};

    fn failed(code: Code) -> Result<(), Error> {
        Err(Error::Ping(Status::new(code, "")))
    }

    #[test]
    fn it_is_too_long_when_nothing_has_got_through_for_a_while() {
        let (watch, start) = (ReconnectWatch::default(), Instant::now());
        let at = |seconds: u64, result: &Result<(), Error>| watch.should_reconnect(result, start + Duration::from_secs(seconds));
        assert!(!at(0, &failed(Code::Unavailable)));
        assert!(!at(60, &failed(Code::Unknown)));
        assert!(!at(61, &Err(Error::TimedOut)), "that may be a busy server");
        assert!(at(62, &failed(Code::Unavailable)));
        assert!(!at(63, &failed(Code::Unavailable)), "once for each while");
        assert!(at(124, &failed(Code::Unavailable)));
    }

    #[test]
    fn any_answer_ends_it() {
        for answer in [Ok(()), failed(Code::NotFound), failed(Code::PermissionDenied)] {
            let (watch, start) = (ReconnectWatch::default(), Instant::now());
            watch.should_reconnect(&failed(Code::Unavailable), start);
            watch.should_reconnect(&answer, start + Duration::from_secs(59));
            assert!(!watch.should_reconnect(&failed(Code::Unavailable), start + Duration::from_secs(61)), "{answer:?}");
        }
    }
}
