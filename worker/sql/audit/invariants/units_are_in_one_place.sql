-- Each unit of an order is in exactly one place.
WITH parameters AS (SELECT $1::text[], $2::text[], $3::bigint)
SELECT
    order_id AS subject,
    format(
        '%s of %s: %s held, %s on the way, %s kept, %s returned, %s written off',
        quantity, product_id, held, on_the_way, kept, returned, written_off
    ) AS detail
FROM order_units
WHERE quantity <> held + on_the_way + kept + returned + written_off
    OR least(held, on_the_way, kept, returned, written_off) < 0
