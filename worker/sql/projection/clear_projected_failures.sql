-- Clears the failures of orders and products that do not lag behind any more, or no longer exist.
DELETE FROM failing_rows f
WHERE (
    f.loop = $1
    AND NOT EXISTS (
        SELECT
        FROM orders o
        WHERE o.id = f.row_id
            AND o.projected_version < o.version
    )
) OR (
    f.loop = $2
    AND NOT EXISTS (
        SELECT
        FROM products p
        WHERE p.id = f.row_id
            AND p.projected_version < p.version
    )
)
