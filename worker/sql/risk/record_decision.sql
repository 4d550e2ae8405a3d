-- Records the review decision about an order, unless there is one already. Tells whether the order
-- is approved.
WITH decided AS (
    UPDATE reviews
    SET approved = $2, decided_by = $3, note = $4, decided_at = now()
    WHERE order_id = $1
        AND approved IS NULL
    RETURNING approved
)
SELECT coalesce(
    (SELECT approved FROM decided),
    (SELECT approved FROM reviews WHERE order_id = $1),
    false
) AS is_approved
