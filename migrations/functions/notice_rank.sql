-- The order in which an order's notifications are sent when they were recorded at the same moment.
CREATE OR REPLACE FUNCTION notice_rank(type text) RETURNS int LANGUAGE sql IMMUTABLE
RETURN array_position(ARRAY[
    'ORDER_ACTION_REQUIRED', 'ORDER_IN_REVIEW', 'ORDER_CONFIRMED', 'ORDER_SHIPPED',
    'ORDER_DELIVERED', 'ORDER_FAILED', 'ORDER_CANCELLED', 'ORDER_REFUNDED'], type);
