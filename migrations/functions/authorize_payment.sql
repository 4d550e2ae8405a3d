-- Records that the gateway authorized an order's payment. Answers the order's status and whether
-- the payment may be captured. CAPTURE: yes. ENDED: the order is not unpaid any more. ELSEWHERE:
-- another gateway has the payment. TOO_LATE: the order's stock is not held any more.
--
-- It is one call of several statements, so that each sees what the former owner of the order's lock
-- did, such as the expiry of the reservation.
CREATE OR REPLACE FUNCTION authorize_payment(
    the_order text, unpaid text[], amount bigint, the_currency text, the_gateway text,
    reference text
) RETURNS TABLE (permission text, status text) LANGUAGE plpgsql AS $$
DECLARE
    withdrawn boolean;
BEGIN
    SELECT o.status, o.compensating_since IS NOT NULL INTO status, withdrawn
        FROM orders o WHERE o.id = the_order FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    permission = CASE
        WHEN withdrawn OR status <> ALL (unpaid) THEN 'ENDED'
        WHEN EXISTS (
            SELECT FROM payments p WHERE p.order_id = the_order AND p.gateway <> the_gateway
        ) THEN 'ELSEWHERE'
        WHEN NOT EXISTS (
            SELECT FROM reservations r WHERE r.order_id = the_order AND r.state = 'HELD'
        ) THEN 'TOO_LATE'
        ELSE 'CAPTURE' END;
    IF permission = 'CAPTURE' THEN
        UPDATE orders o SET version = o.version + 1 WHERE o.id = the_order;
        INSERT INTO payments AS p
            (order_id, status, amount_minor, currency, gateway, gateway_reference)
            VALUES (the_order, 'AUTHORIZED', amount, the_currency, the_gateway, reference)
            ON CONFLICT (order_id) DO UPDATE
            SET status = 'AUTHORIZED', gateway_reference = EXCLUDED.gateway_reference;
    END IF;
    RETURN NEXT;
END $$;
