-- Clears the failures of orders that hold no stock any more.
DELETE FROM failing_rows f
WHERE loop = $1
    AND NOT EXISTS (
        SELECT
        FROM reservations r
        WHERE r.order_id = f.row_id
            AND r.state = 'HELD'
    )
