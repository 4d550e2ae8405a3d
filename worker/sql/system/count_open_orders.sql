-- Counts the open orders of each status.
SELECT s AS status, count(id) AS orders
FROM unnest($1::text[]) s
LEFT JOIN (
    SELECT id, status
    FROM orders
    WHERE status IN ('PENDING', 'ACTION_REQUIRED', 'IN_REVIEW', 'RESERVED', 'PAID', 'SHIPPED', 'DELIVERED')
) o ON status = s
GROUP BY s
