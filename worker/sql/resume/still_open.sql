-- Lists the given orders that are still open.
SELECT id
FROM orders
WHERE id = ANY ($1)
    AND status IN ('PENDING', 'ACTION_REQUIRED', 'IN_REVIEW', 'RESERVED', 'PAID', 'SHIPPED', 'DELIVERED')
