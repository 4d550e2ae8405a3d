//! The decision about the versions of the workers, from what one worker sees.

use super::deployment::State;
use crate::config;
use std::{fmt, time::SystemTime};

/// What is due, and what this worker does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Nothing is due, or another worker does it.
    Wait,
    /// This worker's version receives a part of the new orders.
    TryOut,
    /// A version receives all orders.
    Promote(String),
    /// A version on trial receives no orders, for this reason.
    Withdraw(String, String),
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wait => write!(f, "nothing is due"),
            Self::TryOut => write!(f, "this version is on trial"),
            Self::Promote(version) => write!(f, "version {version} is promoted"),
            Self::Withdraw(version, reason) => write!(f, "version {version} is withdrawn: {reason}"),
        }
    }
}

/// Decides for a worker of version `own`.
///
/// - Without a current version, or if no worker of it polls, orders would wait. A version that was
///   not withdrawn takes over at once.
/// - The workers of the current version watch the version on trial.
/// - A version that was never tried out begins its trial when no other one is on trial.
pub(super) fn decide(own: &str, state: &State, limits: &config::Trial, now: SystemTime) -> Decision {
    let Some(me) = state.version(own).filter(|me| me.is_polled) else { return Decision::Wait };
    let is_led = state.current.as_ref().and_then(|current| state.version(current)).is_some_and(|current| current.is_polled);
    if !is_led {
        return if me.withdrawn.is_none() { Decision::Promote(own.to_owned()) } else { Decision::Wait };
    }
    match &state.trial {
        Some(trial) if state.current.as_deref() == Some(own) => {
            let is_polled = state.version(&trial.version).is_some_and(|version| version.is_polled);
            if let Some(problem) = &trial.problem {
                Decision::Withdraw(trial.version.clone(), problem.clone())
            } else if !is_polled {
                Decision::Withdraw(trial.version.clone(), "its workers have ended".to_owned())
            } else if now.duration_since(trial.since).is_ok_and(|ago| ago >= limits.duration) {
                Decision::Promote(trial.version.clone())
            } else {
                Decision::Wait
            }
        }
        None if !me.was_active && me.withdrawn.is_none() && state.current.as_deref() != Some(own) => Decision::TryOut,
        _ => Decision::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::deployment::{OnTrial, Version},
        *,
    };
    use std::time::Duration;

    const LIMITS: config::Trial = config::Trial { percent: 10, duration: Duration::from_secs(600) };

    fn version(name: &str) -> Version {
        Version { name: name.to_owned(), is_polled: true, was_active: false, withdrawn: None }
    }

    /// Version `old` is current, and `new` has not been tried out.
    fn released() -> State {
        let old = Version { was_active: true, ..version("old") };
        State { current: Some("old".to_owned()), trial: None, versions: vec![version("new"), old], token: Vec::new() }
    }

    /// `new` has been on trial for this time.
    fn on_trial(now: SystemTime, ago: Duration) -> State {
        let trial = OnTrial { version: "new".to_owned(), percent: 10, since: now - ago, problem: None };
        State { trial: Some(trial), ..released() }
    }

    #[test]
    fn the_first_version_receives_all_orders() {
        let state = State { current: None, ..released() };
        assert_eq!(decide("new", &state, &LIMITS, SystemTime::now()), Decision::Promote("new".to_owned()));
    }

    #[test]
    fn a_new_version_begins_its_trial_once() {
        let now = SystemTime::now();
        let mut state = released();
        assert_eq!(decide("new", &state, &LIMITS, now), Decision::TryOut);
        assert_eq!(decide("old", &state, &LIMITS, now), Decision::Wait);
        state.versions[0].was_active = true;
        assert_eq!(decide("new", &state, &LIMITS, now), Decision::Wait, "it was replaced");
        state.versions[0] = Version { withdrawn: Some("bad".to_owned()), ..version("new") };
        assert_eq!(decide("new", &state, &LIMITS, now), Decision::Wait, "it was withdrawn");
        state = on_trial(now, Duration::ZERO);
        state.versions.push(version("newest"));
        assert_eq!(decide("newest", &state, &LIMITS, now), Decision::Wait, "another one is on trial");
    }

    #[test]
    fn a_trial_ends_by_promotion_or_withdrawal() {
        let now = SystemTime::now();
        for own in ["old", "new"] {
            assert_eq!(decide(own, &on_trial(now, Duration::from_secs(599)), &LIMITS, now), Decision::Wait);
        }
        let ended = on_trial(now, Duration::from_secs(600));
        assert_eq!(decide("old", &ended, &LIMITS, now), Decision::Promote("new".to_owned()));
        assert_eq!(decide("new", &ended, &LIMITS, now), Decision::Wait, "it does not judge itself");

        let mut failing = on_trial(now, Duration::from_secs(600));
        if let Some(trial) = &mut failing.trial {
            trial.problem = Some("bad".to_owned());
        }
        assert_eq!(decide("old", &failing, &LIMITS, now), Decision::Withdraw("new".to_owned(), "bad".to_owned()));

        let mut ended = on_trial(now, Duration::from_secs(600));
        ended.versions[0].is_polled = false;
        let reason = "its workers have ended".to_owned();
        assert_eq!(decide("old", &ended, &LIMITS, now), Decision::Withdraw("new".to_owned(), reason));
    }

    #[test]
    fn a_version_takes_over_when_the_current_one_has_no_workers() {
        let now = SystemTime::now();
        for mut state in [released(), on_trial(now, Duration::ZERO)] {
            state.versions[1].is_polled = false;
            assert_eq!(decide("new", &state, &LIMITS, now), Decision::Promote("new".to_owned()));
            state.versions[0].withdrawn = Some("bad".to_owned());
            assert_eq!(decide("new", &state, &LIMITS, now), Decision::Wait, "orders wait rather than fail");
        }
    }
}
