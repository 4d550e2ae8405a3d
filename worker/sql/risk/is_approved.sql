-- Tells whether the shop has approved an order.
SELECT coalesce((SELECT approved FROM reviews WHERE order_id = $1), false) AS is_approved
