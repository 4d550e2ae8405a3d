-- Lists the failing rows and findings about an order, its shipments and its refunds.
SELECT
    since AS at,
    concat_ws(' ', 'failing row', loop, nullif(row_id, $1)) AS subject,
    'FAILING' AS state,
    attempts || ' attempts, last: ' || error AS detail,
    NULL::bigint AS amount_minor
FROM failing_rows
WHERE starts_with(row_id, $1)
    OR row_id IN (
        SELECT id
        FROM refunds
        WHERE order_id = $1
    )
