//! The context of a run: the system, the record, and the tools of the suite.

use super::{listener::Listener, queue::Queue, record::Record, world::World};
use crate::support::{FailPoints, Shop};

pub(super) struct Site<'a> {
    pub(super) shop: &'a Shop,
    pub(super) record: Record,
    pub(super) queue: Queue,
    pub(super) listener: Listener,
    pub(super) fail_points: &'a FailPoints,
    pub(super) world: Option<&'a World>,
}
