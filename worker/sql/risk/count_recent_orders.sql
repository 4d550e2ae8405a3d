-- Counts the customer's other orders that were accepted within the given number of milliseconds,
-- and sums up their totals in one currency. The caller gives the statuses of orders that always
-- count, and the statuses of orders that count only if they were accepted before this one.
SELECT
    count(*) AS orders,
    coalesce(sum(o.total_minor) FILTER (WHERE o.currency = $5), 0)::bigint AS spent_minor
FROM orders this
JOIN orders o ON o.customer_id = $1
    AND o.id <> this.id
    AND o.created_at > now() - $6::bigint * interval '1 millisecond'
WHERE this.id = $2
    AND (
        o.status = ANY ($3)
        OR (o.status = ANY ($4) AND (o.created_at, o.id) < (this.created_at, this.id))
    )
