-- Counts the orders and products that lag behind in the read model, the pending notifications, and
-- the failed ones.
SELECT
    (SELECT count(*) FROM orders WHERE projected_version < version)
        + (SELECT count(*) FROM products WHERE projected_version < version) AS projections,
    (SELECT count(*) FROM notifications WHERE state = 'PENDING') AS notices_pending,
    (SELECT count(*) FROM notifications WHERE state = 'FAILED') AS notices_failed
