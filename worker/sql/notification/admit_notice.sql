-- Counts a notification towards its limits. Returns the name of the reached limit, or NULL if the
-- notification may be sent.
SELECT admit_notice($1, $2, $3, $4, $5, $6, $7, $8, $9) AS reached
