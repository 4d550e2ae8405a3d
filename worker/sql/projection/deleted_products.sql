-- Lists deleted products that must be removed from the read model: those that were never removed,
-- and those that were removed once, more than 10 seconds ago.
SELECT id, version
FROM deleted_products
WHERE removals = 0
    OR removed_at < now() - interval '10 s'
ORDER BY deleted_at
LIMIT $1
