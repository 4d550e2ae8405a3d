-- Reads the version of the newest migration that was applied.
SELECT coalesce(max(version), 0) AS version
FROM refinery_schema_history
