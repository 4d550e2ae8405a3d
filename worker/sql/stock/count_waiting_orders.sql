-- Counts the customer's PENDING orders that were accepted before this one and within the given
-- number of milliseconds. Stops counting at the given limit.
SELECT count(*) AS orders
FROM (
    SELECT
    FROM orders this
    JOIN orders o ON o.customer_id = this.customer_id
        AND o.status = 'PENDING'
        AND o.created_at > now() - $2::bigint * interval '1 millisecond'
        AND (o.created_at, o.id) < (this.created_at, this.id)
    WHERE this.id = $1
    LIMIT $3
) earlier
