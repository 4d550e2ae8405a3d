-- Records the notification about a refund, once.
SELECT record_notices($1, 'ORDER_REFUNDED', ARRAY[$2::text])
