//! The context of a run: the system, the record, and the tools of the suite.

use super::{preload::Preload, queue::Queue, record::Record, subscriber::Subscriber};
use crate::support::{FailPoints, Shop};

pub(super) struct FaultContext<'a> {
    pub(super) shop: &'a Shop,
    pub(super) record: Record,
    pub(super) queue: Queue,
    pub(super) subscriber: Subscriber,
    pub(super) fail_points: &'a FailPoints,
    pub(super) preload: Option<&'a Preload>,
}
