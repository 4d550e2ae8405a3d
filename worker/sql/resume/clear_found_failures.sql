-- Clears the failures of orders that have ended, and of checked orders whose workflow is running.
-- The orders whose workflow is lost keep their failures.
DELETE FROM failing_rows f
WHERE f.loop = 'LOST_WORKFLOWS'
    AND f.row_id <> ALL ($1)
    AND (
        f.row_id = ANY ($2)
        OR NOT EXISTS (
            SELECT
            FROM orders
            WHERE id = f.row_id
                AND status IN ('PENDING', 'ACTION_REQUIRED', 'IN_REVIEW', 'RESERVED', 'PAID', 'SHIPPED', 'DELIVERED')
        )
    )
