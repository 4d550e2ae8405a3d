-- Marks an order as not projected. The projector then writes it again.
UPDATE orders
SET projected_version = 0
WHERE id = $1
