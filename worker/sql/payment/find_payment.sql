-- Reads an order's amount and what is known of its payment.
SELECT o.total_minor, o.currency, p.gateway_reference, p.gateway
FROM orders o
LEFT JOIN payments p ON p.order_id = o.id
WHERE o.id = $1
