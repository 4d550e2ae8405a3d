-- Lists the ids and versions of orders after a given id, sorted by id.
SELECT id, version
FROM orders
WHERE id > $1
ORDER BY id
LIMIT $2
