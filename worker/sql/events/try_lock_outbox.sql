-- Takes the advisory lock of the outbox until the transaction ends, unless another worker has it.
SELECT pg_try_advisory_xact_lock($1) AS is_locked
