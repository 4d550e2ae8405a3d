-- Lists the ids of an order's refunds and shipments. A refund's id is also that of its workflow.
SELECT id, 'REFUND' AS kind
FROM refunds
WHERE order_id = $1
UNION ALL
SELECT id, 'SHIPMENT'
FROM shipments
WHERE order_id = $1
ORDER BY id
