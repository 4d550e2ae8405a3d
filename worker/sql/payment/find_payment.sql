-- Reads an order's total, and the gateway and reference of its payment if they are recorded.
SELECT o.total_minor, o.currency, p.gateway_reference, p.gateway
FROM orders o
LEFT JOIN payments p ON p.order_id = o.id
WHERE o.id = $1
