//! The intake queue. Accepted orders wait in it while Temporal is away or busy.

pub mod intake_queue;
pub mod queue_poller;
pub mod start_queued_orders;
