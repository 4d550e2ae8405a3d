-- Raises an order's version, so that the projector writes it to the read model again.
UPDATE orders
SET version = version + 1
WHERE id = $1
