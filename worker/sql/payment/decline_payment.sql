-- Records that a payment was declined, if the order is still unpaid. Reads the order's status.
WITH payment AS (
    INSERT INTO payments AS p (order_id, status, amount_minor, currency, gateway)
    SELECT id, 'DECLINED', $2, $3, $4
    FROM orders
    WHERE id = $1
        AND status = ANY ($5)
    ON CONFLICT (order_id) DO UPDATE
    SET status = 'DECLINED'
    WHERE p.status = ANY ($6)
)
SELECT status
FROM orders
WHERE id = $1
