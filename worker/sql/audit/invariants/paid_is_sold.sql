-- The payment of a delivered or completed order is recorded as captured, whether or not it was
-- refunded later, and its amount is the order's total. A failed or cancelled order has no payment
-- that is authorized, captured or partially refunded. The check covers the payments of every
-- gateway. It reads only the records in Postgres, because the ledger of a real gateway is not
-- there.
WITH parameters AS (SELECT $1::text[], $2::text[], $3::bigint)
SELECT
    o.id AS subject,
    format(
        '%s of %s, payment %s of %s',
        o.status, o.total_minor, coalesce(p.status, 'none'), coalesce(p.amount_minor, 0)
    ) AS detail
FROM orders o
LEFT JOIN payments p ON p.order_id = o.id
WHERE CASE
    WHEN o.status IN ('DELIVERED', 'COMPLETED')
        THEN coalesce(p.status, '') NOT IN ('CAPTURED', 'PARTIALLY_REFUNDED', 'REFUNDED')
            OR p.amount_minor <> o.total_minor
    ELSE o.status = ANY ($2)
        AND coalesce(p.status, 'NONE') IN ('AUTHORIZED', 'CAPTURED', 'PARTIALLY_REFUNDED')
END
