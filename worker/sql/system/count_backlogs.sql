-- Counts what lags behind in the read model, and the notices that are pending or have failed.
SELECT
    (SELECT count(*) FROM orders WHERE projected_version < version)
        + (SELECT count(*) FROM products WHERE projected_version < version) AS projections,
    (SELECT count(*) FROM notifications WHERE state = 'PENDING') AS notices_pending,
    (SELECT count(*) FROM notifications WHERE state = 'FAILED') AS notices_failed
