-- Generates the id of a new restock.
SELECT 'rst_' || replace(gen_random_uuid()::text, '-', '') AS id
