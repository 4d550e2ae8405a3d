-- Tells whether the table of applied migrations exists.
SELECT to_regclass('refinery_schema_history') IS NOT NULL AS is_present
