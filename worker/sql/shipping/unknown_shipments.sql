-- Lists the ids that do not belong to a shipment of the order.
SELECT DISTINCT i.id
FROM unnest($2::text[]) AS i (id)
WHERE NOT EXISTS (
    SELECT
    FROM shipments s
    WHERE s.order_id = $1
        AND s.id = i.id
)
