-- Leases due notifications, and reads the facts for their texts.
--
-- A lease sets the notification's next attempt to one minute from now, which is longer than a
-- delivery takes. Meanwhile other workers skip the notification. If the worker dies, the
-- notification becomes due again by itself. The customer gets a message twice if the worker dies
-- between the provider's answer and its recording, because neither SES nor SNS accepts an
-- idempotency key.
--
-- A notification waits until the earlier ones of its order and channel are sent or given up. So no
-- customer reads "delivered" before "confirmed". Other orders do not wait.
WITH due AS (
    SELECT order_id, type, channel, about
    FROM notifications n
    WHERE state = 'PENDING'
        AND next_attempt_at <= now()
        AND NOT EXISTS (
            SELECT
            FROM notifications e
            WHERE e.order_id = n.order_id
                AND e.channel = n.channel
                AND e.state = 'PENDING'
                AND (e.created_at, notice_rank(e.type)) < (n.created_at, notice_rank(n.type))
        )
    ORDER BY next_attempt_at
    LIMIT $1
    FOR UPDATE SKIP LOCKED
), leased AS (
    UPDATE notifications n
    SET attempts = n.attempts + 1, next_attempt_at = now() + interval '1 minute'
    FROM due
    WHERE (n.order_id, n.type, n.channel, n.about) = (due.order_id, due.type, due.channel, due.about)
    RETURNING n.order_id, n.type, n.channel, n.about, n.attempts, n.admitted
)
SELECT
    t.order_id,
    t.type AS kind,
    t.channel,
    t.about,
    t.attempts,
    t.admitted,
    o.traceparent,
    o.status,
    o.contact_language,
    o.currency,
    o.total_minor,
    CASE t.channel WHEN 'EMAIL' THEN o.contact_email ELSE o.contact_phone END AS recipient,
    CASE WHEN r.id IS NULL THEN o.failure_reason ELSE r.reason END AS reason,
    r.amount_minor,
    i.names,
    i.quantities,
    i.prices,
    i.available,
    s.carrier,
    s.tracking_number,
    s.tracking_url
FROM leased t
JOIN orders o ON o.id = t.order_id
LEFT JOIN refunds r ON r.id = t.about
LEFT JOIN shipments s ON s.id = t.about
CROSS JOIN LATERAL (
    SELECT
        array_agg(p.name ORDER BY line) AS names,
        array_agg(l.quantity ORDER BY line) AS quantities,
        array_agg(l.unit_price_minor ORDER BY line) AS prices,
        array_agg(CASE t.type WHEN 'ORDER_ACTION_REQUIRED' THEN l.available END ORDER BY line) AS available
    FROM order_items l
    LEFT JOIN products p ON p.id = l.product_id
    WHERE l.order_id = t.order_id
) i
