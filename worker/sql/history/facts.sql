-- Counts what happened from $1 until before $2: one row for each count. $3 and $4 are order ids
-- between which all orders are that were accepted in this time. Ids sort by time, so no index of
-- the time of acceptance is needed. Every subquery with LIMIT finds its row by a key, however many
-- orders there are; Postgres would otherwise be free to join whole tables.
--
-- The kinds of rows: ACCEPTED. ENDED with the status. PAID_AFTER and COMPLETED_AFTER with the class
-- of the time since the order was accepted: class n has durations from 2^(n/8) ms. CAPTURED and
-- REFUNDED with the currency, in minor units. LATE_MINUTE with a minute since 1970: in this minute,
-- orders were accepted that have come to this point more than a minute later. An order whose
-- payment was reversed is refunded when it ends.
WITH milestones AS MATERIALIZED (
    SELECT
        h.order_id,
        h.status,
        o.created_at,
        floor(ln(greatest(extract(epoch FROM h.at - o.created_at) * 1000, 1)::float8) * 8 / ln(2::float8))::bigint AS class
    FROM order_history h
    CROSS JOIN LATERAL (
        SELECT created_at
        FROM orders
        WHERE id = h.order_id
        LIMIT 1
    ) o
    WHERE h.status IN ('PAID', 'COMPLETED', 'FAILED', 'CANCELLED')
        AND h.at >= $1
        AND h.at < $2
), refunded AS (
    SELECT o.currency, r.amount_minor
    FROM refunds r
    CROSS JOIN LATERAL (
        SELECT currency
        FROM orders
        WHERE id = r.order_id
        LIMIT 1
    ) o
    WHERE r.state = 'SUCCEEDED'
        AND r.updated_at >= $1
        AND r.updated_at < $2
    UNION ALL
    SELECT
        p.currency,
        p.refunded_minor - coalesce((
            SELECT sum(amount_minor)
            FROM refunds
            WHERE order_id = m.order_id
                AND state = 'SUCCEEDED'
        ), 0)::bigint
    FROM milestones m
    CROSS JOIN LATERAL (
        SELECT currency, refunded_minor
        FROM payments
        WHERE order_id = m.order_id
        LIMIT 1
    ) p
    WHERE m.status IN ('FAILED', 'CANCELLED')
        AND (
            SELECT true
            FROM order_history
            WHERE order_id = m.order_id
                AND status = 'PAID'
            LIMIT 1
        )
)
SELECT 'ACCEPTED' AS kind, '' AS name, count(*) AS value
FROM orders
WHERE id >= $3
    AND id < $4
    AND created_at >= $1
    AND created_at < $2
UNION ALL
SELECT 'ENDED', status, count(*)
FROM milestones
WHERE status <> 'PAID'
GROUP BY status
UNION ALL
SELECT status || '_AFTER', class::text, count(*)
FROM milestones
WHERE status IN ('PAID', 'COMPLETED')
GROUP BY status, class
UNION ALL
SELECT 'CAPTURED', p.currency::text, sum(p.amount_minor)::bigint
FROM milestones m
CROSS JOIN LATERAL (
    SELECT currency, amount_minor
    FROM payments
    WHERE order_id = m.order_id
    LIMIT 1
) p
WHERE m.status = 'PAID'
GROUP BY p.currency
UNION ALL
SELECT 'REFUNDED', currency::text, sum(amount_minor)::bigint
FROM refunded
GROUP BY currency
UNION ALL
SELECT DISTINCT 'LATE_MINUTE', '', floor(extract(epoch FROM created_at) / 60)::bigint
FROM milestones
WHERE status <> 'COMPLETED'
    AND created_at < $1 - interval '1 minute'
    AND created_at > $1 - interval '8 days'
