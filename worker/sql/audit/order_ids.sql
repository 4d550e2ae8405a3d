-- Lists orders by id from an id on.
SELECT id
FROM orders
WHERE id > $1
ORDER BY id
LIMIT $2
