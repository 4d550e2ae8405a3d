-- Counts the failing rows of each loop, also of those in which none fails.
SELECT loop AS loop_name, count(row_id) AS failing
FROM failing_rows
FULL JOIN unnest($1::text[]) AS known (loop) USING (loop)
GROUP BY loop
ORDER BY loop
