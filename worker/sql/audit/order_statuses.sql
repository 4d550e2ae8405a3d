-- Lists the statuses in an order's history, oldest first.
SELECT status
FROM order_history
WHERE order_id = $1
ORDER BY version
