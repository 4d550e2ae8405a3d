-- Counts the customer's other orders within a window of time, and what they come to in one currency.
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
