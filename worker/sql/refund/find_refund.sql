-- Reads a refund, and whether it is a failing row.
SELECT
    state,
    amount_minor,
    refusals,
    EXISTS (
        SELECT
        FROM failing_rows
        WHERE loop = $2
            AND row_id = order_id || ' ' || id
    ) AS is_failing
FROM refunds
WHERE id = $1
