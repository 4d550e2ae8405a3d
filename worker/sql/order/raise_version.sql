-- Raises an order's version. The projector then writes the order to the read model again.
UPDATE orders
SET version = version + 1
WHERE id = $1
