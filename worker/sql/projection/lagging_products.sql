-- Reads products that lag behind in the read model. Failing rows that are not due are left out.
SELECT id, name, price_minor, currency, stock, version
FROM products
WHERE projected_version < version
    AND NOT EXISTS (
        SELECT
        FROM failing_rows f
        WHERE f.loop = 'PROJECTION_PRODUCTS'
            AND f.row_id = products.id
            AND f.next_attempt_at > now()
    )
ORDER BY id
