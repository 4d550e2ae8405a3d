//! The place of a run: the system, the record, and the suite's tools.

use super::{queue::Queue, record::Record};
use crate::support::{FailPoints, Shop};

pub(super) struct Site<'a> {
    pub(super) shop: &'a Shop,
    pub(super) record: Record,
    pub(super) queue: Queue,
    pub(super) fail_points: &'a FailPoints,
}
