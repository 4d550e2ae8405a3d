//! The intake queue: orders that Temporal does not accept at the moment wait in it.

pub mod intake_queue;
pub mod queue_poller;
pub mod start_queued_orders;
