-- Lists the ids of open orders after a given id, sorted by id.
SELECT id
FROM orders
WHERE id > $1
    AND status IN ('PENDING', 'ACTION_REQUIRED', 'IN_REVIEW', 'RESERVED', 'PAID', 'SHIPPED', 'DELIVERED')
ORDER BY id
LIMIT $2
