-- Counts the failing rows of each loop. The given loops are listed even if they have none.
SELECT loop AS loop_name, count(row_id) AS failing
FROM failing_rows
FULL JOIN unnest($1::text[]) AS known (loop) USING (loop)
GROUP BY loop
ORDER BY loop
