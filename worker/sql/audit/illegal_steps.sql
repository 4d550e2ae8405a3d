-- Lists the steps in the orders' histories that are none of the legal ones.
SELECT order_id, was, status
FROM (
    SELECT order_id, status, lag(status) OVER (PARTITION BY order_id ORDER BY version) AS was
    FROM order_history
) h
WHERE coalesce(was, '') || '>' || status <> ALL ($1)
