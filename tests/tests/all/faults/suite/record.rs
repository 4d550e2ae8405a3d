//! The suite's own record of what was wished for and what was acknowledged. Nothing in it comes from OrderFlow's data.

use super::wish::Wish;
use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What became of one customer's posts.
#[derive(Default)]
pub(super) struct Answers {
    /// The ids that were acknowledged.
    pub(super) acknowledged: BTreeSet<String>,
    /// Posts that a client cannot know the outcome of: no answer, or one that says that the server failed.
    pub(super) unknown: usize,
    /// The order's cancellation was asked for.
    pub(super) cancel_asked: bool,
}

pub(super) struct Purchase {
    pub(super) wish: Wish,
    pub(super) answers: Answers,
    /// Placed while nothing was broken.
    pub(super) calm: bool,
}

#[derive(Default)]
pub(super) struct Record {
    purchases: Mutex<Vec<Purchase>>,
    /// In the order of their acknowledgement.
    acknowledged: Mutex<Vec<String>>,
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

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
