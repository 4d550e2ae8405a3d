-- Turns maintenance on. If it is on already, changes its reason.
INSERT INTO maintenance (reason)
VALUES ($1)
ON CONFLICT (single) DO UPDATE
SET reason = EXCLUDED.reason
