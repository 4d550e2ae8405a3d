-- Lists deleted products that are to be removed from the read model, for the first time or again.
SELECT id, version
FROM deleted_products
WHERE removals = 0
    OR removed_at < now() - interval '10 s'
ORDER BY deleted_at
LIMIT $1
