-- Lists the transitions in the orders' histories that are not in the list of legal ones. A
-- transition is a text such as PENDING>RESERVED. The transition of a new order is >PENDING.
SELECT order_id, previous, status
FROM (
    SELECT order_id, status, lag(status) OVER (PARTITION BY order_id ORDER BY version) AS previous
    FROM order_history
) h
WHERE coalesce(previous, '') || '>' || status <> ALL ($1)
