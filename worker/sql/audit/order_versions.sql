-- Lists orders with their versions, by id, from an id on.
SELECT id, version
FROM orders
WHERE id > $1
ORDER BY id
LIMIT $2
