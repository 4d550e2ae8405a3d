-- Records that the gateway is about to be asked again for an order's payment, if the order is still
-- unpaid. Answers the gateway that has the payment, the gateway's id of it, and the number of this
-- attempt. The order is locked before its payment, as everywhere.
CREATE OR REPLACE FUNCTION record_payment_attempt(
    the_order text, unpaid text[], amount bigint, the_currency text, the_gateway text
) RETURNS TABLE (gateway text, gateway_reference text, attempts int) LANGUAGE plpgsql AS $$
DECLARE
    payment payments;
BEGIN
    PERFORM FROM orders o WHERE o.id = the_order AND o.status = ANY (unpaid) FOR NO KEY UPDATE;
    IF FOUND THEN
        INSERT INTO payments AS p (order_id, status, amount_minor, currency, gateway, attempts)
            VALUES (the_order, 'UNKNOWN', amount, the_currency, the_gateway, 2)
            ON CONFLICT ON CONSTRAINT payments_pkey DO UPDATE SET attempts = p.attempts + 1
            RETURNING p.* INTO payment;
        IF payment.status = 'UNKNOWN' AND payment.attempts = 2 THEN
            UPDATE orders o SET version = o.version + 1 WHERE o.id = the_order;
        END IF;
    ELSE
        SELECT p.* INTO payment FROM payments p WHERE p.order_id = the_order;
        payment.attempts = 1;
    END IF;
    RETURN QUERY SELECT
        coalesce(payment.gateway, the_gateway), payment.gateway_reference, payment.attempts;
END $$;
