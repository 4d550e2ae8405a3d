-- Reads since when there is maintenance, and why.
SELECT reason, to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS since
FROM maintenance
