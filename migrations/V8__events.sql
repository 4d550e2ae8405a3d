-- The history is also the outbox: each status that an order gets is told to other systems, in its order. What has been told so far is not told
-- again.
ALTER TABLE order_history ADD COLUMN published_at timestamptz;
UPDATE order_history SET published_at = now();
CREATE INDEX order_history_unpublished ON order_history (order_id, version) WHERE published_at IS NULL;
