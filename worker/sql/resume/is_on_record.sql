-- Tells whether an order is in Postgres.
SELECT EXISTS (SELECT FROM orders WHERE id = $1) AS is_on_record
