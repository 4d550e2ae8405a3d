//! The suite's own record: what the customers ordered and what the API acknowledged. Nothing in it
//! comes from OrderFlow's data.

use super::scenario::{Line, Scenario};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{Mutex as AsyncMutex, MutexGuard as AsyncMutexGuard};

/// The conditions under which a customer ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conditions {
    /// No fault was active.
    Normal,
    Faulty,
    /// A fault moved the clocks, so reservations may have expired early.
    ClockSteps,
}

/// A refund that the API accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AcceptedRefund {
    pub(super) id: String,
    /// The amount in minor units; 0 if the customer learned that the refund failed.
    pub(super) minor: i64,
    /// Units that are put back on sale.
    pub(super) restocked: Vec<Line>,
}

/// The API's answers to one customer.
#[derive(Default)]
pub(super) struct Answers {
    /// The acknowledged order ids.
    pub(super) acknowledged: BTreeSet<String>,
    /// The number of posts with an unknown result: no answer, or a server error.
    pub(super) unknown: usize,
    /// Whether the customer requested the cancellation.
    pub(super) cancel_asked: bool,
    /// The offer that the customer accepted instead of the original lines.
    pub(super) agreed: Option<Vec<Line>>,
    /// Whether the shop reviewed the order.
    pub(super) reviewed: bool,
    pub(super) refunds: Vec<AcceptedRefund>,
}

pub(super) struct Purchase {
    pub(super) scenario: Scenario,
    pub(super) answers: Answers,
    pub(super) conditions: Conditions,
}

impl Purchase {
    /// What the customer gets when the order is completed.
    pub(super) fn lines(&self) -> &[Line] {
        self.answers.agreed.as_ref().unwrap_or(&self.scenario.lines)
    }
}

#[derive(Default)]
pub(super) struct Record {
    purchases: Mutex<Vec<Purchase>>,
    /// Sorted by the time of acknowledgement.
    acknowledged: Mutex<Vec<String>>,
    /// The restocked units of each product.
    restocks: AsyncMutex<BTreeMap<usize, i64>>,
    breaches: Mutex<Vec<String>>,
    restarted: Mutex<Vec<String>>,
}

impl Record {
    pub(super) fn add(&self, purchase: Purchase) {
        locked(&self.purchases).push(purchase);
    }

    pub(super) fn purchases(&self) -> MutexGuard<'_, Vec<Purchase>> {
        locked(&self.purchases)
    }

    /// Records an acknowledgement as soon as it arrives.
    pub(super) fn acknowledge(&self, id: &str) {
        locked(&self.acknowledged).push(id.to_owned());
    }

    /// The acknowledged ids. An id may occur twice.
    pub(super) fn acknowledged(&self) -> MutexGuard<'_, Vec<String>> {
        locked(&self.acknowledged)
    }

    /// The restocked units of each product, by its index in the catalog. The supplier holds this
    /// lock during a delivery. So while the caller holds it, every delivery is finished.
    pub(super) async fn restocks(&self) -> AsyncMutexGuard<'_, BTreeMap<usize, i64>> {
        self.restocks.lock().await
    }

    /// Records a broken promise of the system.
    pub(super) fn breach(&self, what: String) {
        eprintln!("broken: {what}");
        locked(&self.breaches).push(what);
    }

    /// Records that a server ended by itself and was started again.
    pub(super) fn record_restart(&self, server: &str) {
        println!("{server} ended by itself and is started again");
        locked(&self.restarted).push(server.to_owned());
    }

    /// The servers that ended by themselves, one entry for each time.
    pub(super) fn restarted_servers(&self) -> Vec<String> {
        locked(&self.restarted).clone()
    }

    pub(super) fn breaches(&self) -> Vec<String> {
        locked(&self.breaches).clone()
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
