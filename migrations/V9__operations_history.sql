-- Indexes for the history of operations, which the worker counts by minutes
-- (worker/src/ops/history.rs). Both are partial, so an order adds two entries at the end of the
-- first index and, as long as nothing is refunded, none to the second.

-- When orders were paid and when they ended.
CREATE INDEX order_history_milestones ON order_history (at)
    WHERE status IN ('PAID', 'COMPLETED', 'FAILED', 'CANCELLED');
-- When refunds succeeded. A refund that has succeeded does not change any more.
CREATE INDEX refunds_succeeded ON refunds (updated_at) WHERE state = 'SUCCEEDED';
