-- Tells whether Postgres takes writes.
SELECT current_setting('transaction_read_only') = 'off' AS is_writable
