-- Reads the version of the newest applied migration; 0 if none was applied.
SELECT coalesce(max(version), 0) AS version
FROM refinery_schema_history
