-- A payment has two steps: the amount is held when the stock is reserved, and taken when the order is confirmed. Until then it can be voided;
-- afterwards it can be refunded, whole or in parts.
ALTER TABLE payments DROP CONSTRAINT payments_status_check;
ALTER TABLE payments ADD COLUMN refunded_minor bigint NOT NULL DEFAULT 0;
UPDATE payments SET refunded_minor = amount_minor WHERE status = 'REFUNDED';
ALTER TABLE payments
    ADD CONSTRAINT payments_status_check
        CHECK (status IN ('AUTHORIZED', 'CAPTURED', 'PARTIALLY_REFUNDED', 'REFUNDED', 'VOIDED', 'DECLINED', 'UNKNOWN')),
    ADD CONSTRAINT payments_refunded_check CHECK (
        refunded_minor BETWEEN 0 AND amount_minor
        AND (status = 'REFUNDED') = (refunded_minor = amount_minor AND refunded_minor > 0)
        AND (status = 'PARTIALLY_REFUNDED') = (refunded_minor BETWEEN 1 AND amount_minor - 1)
    );

-- The sandbox gateway's books. A refund has a key of its own, so that there can be several of one charge, each once.
ALTER TABLE sandbox.charges DROP CONSTRAINT charges_state_check;
ALTER TABLE sandbox.charges
    ADD CONSTRAINT charges_state_check
        CHECK (state IN ('ATTEMPTED', 'AUTHORIZED', 'CAPTURED', 'PARTIALLY_REFUNDED', 'REFUNDED', 'DECLINED', 'VOIDED')),
    ADD COLUMN payment_method text,
    ADD COLUMN captures int NOT NULL DEFAULT 0;                        -- how often the capture was asked for
ALTER TABLE sandbox.entries DROP CONSTRAINT entries_idempotency_key_kind_key;
ALTER TABLE sandbox.entries
    ADD COLUMN refund_key text NOT NULL DEFAULT '',
    ADD CONSTRAINT entries_once UNIQUE (idempotency_key, kind, refund_key);
