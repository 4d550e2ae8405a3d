-- Records that events were published.
UPDATE order_history h
SET published_at = now()
FROM unnest($1::text[], $2::bigint[]) AS p (order_id, version)
WHERE h.order_id = p.order_id
    AND h.version = p.version
