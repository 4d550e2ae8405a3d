-- Turns maintenance off.
DELETE FROM maintenance
