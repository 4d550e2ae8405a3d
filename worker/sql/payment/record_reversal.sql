-- Records that a payment was voided or fully refunded. If the payment was not recorded before, it
-- is inserted. Returns the part of the refunded amount that was not on record before.
WITH before AS (
    SELECT refunded_minor
    FROM payments
    WHERE order_id = $1
)
INSERT INTO payments (order_id, status, amount_minor, currency, gateway, gateway_reference, refunded_minor)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (order_id) DO UPDATE
SET status = EXCLUDED.status, refunded_minor = EXCLUDED.refunded_minor
RETURNING refunded_minor - coalesce((SELECT b.refunded_minor FROM before b), 0) AS newly_refunded_minor
