-- A worker that Temporal has given up on, but that lives, may go on with an order that another one is withdrawing. What that one found must stay so until
-- the order has ended: an order that is being withdrawn moves to its end only, unless it turns out to have arrived.
CREATE OR REPLACE FUNCTION move_order(the_order text, target text, predecessors text[], reason text DEFAULT NULL)
RETURNS TABLE (status text, moved boolean, age_ms bigint) LANGUAGE plpgsql AS $$
DECLARE
    reached bigint;
    accepted timestamptz;
BEGIN
    UPDATE orders o SET status = target, failure_reason = reason, version = o.version + 1
        WHERE o.id = the_order AND o.status = ANY (predecessors)
        AND (o.compensating_since IS NULL OR target IN ('DELIVERED', 'FAILED', 'CANCELLED') OR o.status = 'DELIVERED')
        RETURNING o.version, o.created_at INTO reached, accepted;
    IF reached IS NULL THEN
        RETURN QUERY SELECT o.status, false, NULL::bigint FROM orders o WHERE o.id = the_order;
    ELSE
        INSERT INTO order_history (order_id, version, status) VALUES (the_order, reached, target);
        RETURN QUERY SELECT target, true, (extract(epoch FROM clock_timestamp() - accepted) * 1000)::bigint;
    END IF;
END $$;

-- Records that an order's amount is held, if the order is still to be paid, nobody else has the payment, and its stock is held. Answers whether it may
-- be taken (TAKE, OVER, ELSEWHERE, TOO_LATE) and where the order stands. It is one call, and yet several statements: each sees what was done by whoever
-- had the order's lock before, such as the sweep of what has been held for too long.
CREATE FUNCTION authorize_payment(the_order text, unpaid text[], amount bigint, the_currency text, the_gateway text, reference text)
RETURNS TABLE (permission text, status text) LANGUAGE plpgsql AS $$
DECLARE
    withdrawn boolean;
BEGIN
    SELECT o.status, o.compensating_since IS NOT NULL INTO status, withdrawn FROM orders o WHERE o.id = the_order FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    permission = CASE
        WHEN withdrawn OR status <> ALL (unpaid) THEN 'OVER'
        WHEN EXISTS (SELECT FROM payments p WHERE p.order_id = the_order AND p.gateway <> the_gateway) THEN 'ELSEWHERE'
        WHEN NOT EXISTS (SELECT FROM reservations r WHERE r.order_id = the_order AND r.state = 'HELD') THEN 'TOO_LATE'
        ELSE 'TAKE' END;
    IF permission = 'TAKE' THEN
        UPDATE orders o SET version = o.version + 1 WHERE o.id = the_order;
        INSERT INTO payments AS p (order_id, status, amount_minor, currency, gateway, gateway_reference)
            VALUES (the_order, 'AUTHORIZED', amount, the_currency, the_gateway, reference)
            ON CONFLICT (order_id) DO UPDATE SET status = 'AUTHORIZED', gateway_reference = EXCLUDED.gateway_reference;
    END IF;
    RETURN NEXT;
END $$;

-- An order that costs nothing is paid back by nothing.
ALTER TABLE payments
    DROP CONSTRAINT payments_refunded_check,
    ADD CONSTRAINT payments_refunded_check CHECK (
        refunded_minor BETWEEN 0 AND amount_minor
        AND (status = 'REFUNDED') = (refunded_minor = amount_minor AND (refunded_minor > 0 OR status = 'REFUNDED'))
        AND (status = 'PARTIALLY_REFUNDED') = (refunded_minor BETWEEN 1 AND amount_minor - 1)
    );

-- For those who count what could not be delivered.
CREATE INDEX notifications_failed ON notifications ((1)) WHERE state = 'FAILED';
