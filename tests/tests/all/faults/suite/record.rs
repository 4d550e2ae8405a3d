//! The suite's own record of what was wished for and what was acknowledged. Nothing in it comes from OrderFlow's data.

use super::wish::{Line, Wish};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{Mutex as AsyncMutex, MutexGuard as AsyncMutexGuard};

/// What it was like when somebody ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weather {
    /// Nothing was broken.
    Calm,
    Stormy,
    /// So that stock may be given back before its time, too.
    ClockSteps,
}

/// A refund that was taken on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GivenBack {
    pub(super) id: String,
    /// None of it when the customer was told that it cannot be.
    pub(super) minor: i64,
    /// Units that can be sold again.
    pub(super) restocked: Vec<Line>,
}

/// What became of one customer's posts.
#[derive(Default)]
pub(super) struct Answers {
    /// The ids that were acknowledged.
    pub(super) acknowledged: BTreeSet<String>,
    /// Posts that a client cannot know the outcome of: no answer, or one that says that the server failed.
    pub(super) unknown: usize,
    /// The order's cancellation was asked for.
    pub(super) cancel_asked: bool,
    /// What the customer was shown that there is, and took instead of what was wished for.
    pub(super) agreed: Option<Vec<Line>>,
    /// The shop was asked.
    pub(super) reviewed: bool,
    pub(super) given_back: Vec<GivenBack>,
}

pub(super) struct Purchase {
    pub(super) wish: Wish,
    pub(super) answers: Answers,
    pub(super) weather: Weather,
}

impl Purchase {
    /// What the customer has once the order is complete.
    pub(super) fn lines(&self) -> &[Line] {
        self.answers.agreed.as_ref().unwrap_or(&self.wish.lines)
    }
}

#[derive(Default)]
pub(super) struct Record {
    purchases: Mutex<Vec<Purchase>>,
    /// In the order of their acknowledgement.
    acknowledged: Mutex<Vec<String>>,
    /// Units of each product that came in.
    brought_in: AsyncMutex<BTreeMap<usize, i64>>,
    breaches: Mutex<Vec<String>>,
    revived: Mutex<Vec<String>>,
}

impl Record {
    pub(super) fn enter(&self, purchase: Purchase) {
        locked(&self.purchases).push(purchase);
    }

    pub(super) fn purchases(&self) -> MutexGuard<'_, Vec<Purchase>> {
        locked(&self.purchases)
    }

    /// Notes an acknowledgement the moment it comes.
    pub(super) fn acknowledge(&self, id: &str) {
        locked(&self.acknowledged).push(id.to_owned());
    }

    /// The ids that were acknowledged; some twice.
    pub(super) fn acknowledged(&self) -> MutexGuard<'_, Vec<String>> {
        locked(&self.acknowledged)
    }

    /// Units of each product that came in, by its place on the shelf. The supplier holds it during a delivery: who else holds it, finds none in doubt.
    pub(super) async fn brought_in(&self) -> AsyncMutexGuard<'_, BTreeMap<usize, i64>> {
        self.brought_in.lock().await
    }

    /// Notes a broken promise.
    pub(super) fn breach(&self, what: String) {
        eprintln!("broken: {what}");
        locked(&self.breaches).push(what);
    }

    /// Notes that a server ended by itself and was started again.
    pub(super) fn revived(&self, server: &str) {
        println!("{server} ended by itself and is started again");
        locked(&self.revived).push(server.to_owned());
    }

    /// The servers that ended by themselves, each as often as it did.
    pub(super) fn all_revived(&self) -> Vec<String> {
        locked(&self.revived).clone()
    }

    pub(super) fn breaches(&self) -> Vec<String> {
        locked(&self.breaches).clone()
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
