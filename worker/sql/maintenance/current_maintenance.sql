-- Reads the reason of the maintenance and the UTC time at which it began; no row if it is off.
SELECT reason, to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS since
FROM maintenance
