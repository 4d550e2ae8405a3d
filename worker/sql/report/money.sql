-- Lists the order's payment and refunds, as they are recorded. A row has the times of its first and
-- of its last change only. The reasons that people gave for refunds are left out.
SELECT
    created_at AS at,
    'payment' AS subject,
    'RECORDED' AS state,
    'gateway ' || gateway AS detail,
    amount_minor
FROM payments
WHERE order_id = $1
UNION ALL
SELECT
    updated_at,
    'payment',
    status,
    concat_ws(
        ', ',
        CASE WHEN attempts > 1 THEN attempts || ' attempts' END,
        'reference ' || gateway_reference,
        CASE WHEN refunded_minor > 0 THEN 'refunded in part or whole' END
    ),
    CASE WHEN refunded_minor > 0 THEN refunded_minor ELSE amount_minor END
FROM payments
WHERE order_id = $1
UNION ALL
SELECT
    r.requested_at,
    'refund ' || r.id,
    'REQUESTED',
    concat_ws(
        ', ',
        (
            SELECT string_agg(i.quantity || ' of ' || i.product_id, ', ' ORDER BY i.product_id)
            FROM refund_items i
            WHERE i.refund_id = r.id
        ),
        CASE WHEN r.restock THEN 'back to stock' END
    ),
    r.amount_minor
FROM refunds r
WHERE r.order_id = $1
UNION ALL
SELECT
    updated_at,
    'refund ' || id,
    state,
    CASE WHEN refusals > 0 THEN 'temporarily refused ' || refusals || ' times' ELSE '' END,
    amount_minor
FROM refunds
WHERE order_id = $1
