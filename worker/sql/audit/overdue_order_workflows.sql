-- Lists the ids of workflows whose order is not in Postgres, or ended more than the given number of
-- milliseconds ago.
SELECT w.id, coalesce(o.status, 'not on record') AS status
FROM unnest($1::text[]) AS w (id)
LEFT JOIN orders o ON o.id = w.id
WHERE o.id IS NULL
    OR (o.status <> ALL ($2) AND o.updated_at < now() - $3::bigint * interval '1 ms')
