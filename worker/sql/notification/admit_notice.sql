-- Counts a notice towards its limits, or names the limit that is reached.
SELECT admit_notice($1, $2, $3, $4, $5, $6, $7, $8, $9) AS reached
