-- Tells whether any migration was applied.
SELECT to_regclass('refinery_schema_history') IS NOT NULL AS is_there
