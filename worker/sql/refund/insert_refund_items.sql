-- Records the units that a refund is for.
INSERT INTO refund_items (refund_id, product_id, quantity)
SELECT $1, product_id, quantity
FROM unnest($2::text[], $3::bigint[]) AS i (product_id, quantity)
