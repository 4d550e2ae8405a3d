-- Records the notice of a refund, once.
SELECT record_notices($1, 'ORDER_REFUNDED', ARRAY[$2::text])
