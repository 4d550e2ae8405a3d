-- Tells whether an order is on record.
SELECT EXISTS (SELECT FROM orders WHERE id = $1) AS is_on_record
