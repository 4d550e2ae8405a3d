-- Records an attempt to authorize a charge. The attempt with a given number decides whether the
-- charge is authorized or declined; earlier attempts leave it undecided.
INSERT INTO sandbox.charges AS c (
    idempotency_key, amount_minor, currency, payment_method, state, decline_code, attempts
)
VALUES ($1, $2, $3, $4, CASE WHEN $7::int <= 1 THEN $5::text ELSE 'ATTEMPTED' END, $6, 1)
ON CONFLICT (idempotency_key) DO UPDATE
SET attempts = c.attempts + 1,
    state = CASE
        WHEN c.state = 'ATTEMPTED' AND c.attempts + 1 >= $7 THEN $5
        ELSE c.state
    END
RETURNING id::text, amount_minor, currency, state, decline_code
