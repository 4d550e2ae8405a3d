-- Lists the ids of orders after a given id, sorted by id.
SELECT id
FROM orders
WHERE id > $1
ORDER BY id
LIMIT $2
