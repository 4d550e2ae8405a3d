-- The ledger of the sandbox payment gateway. It stands for another company's system: no table here
-- refers to the shop's tables, and no table of the shop refers to these.

CREATE SCHEMA sandbox;

-- One charge for each idempotency key.
CREATE TABLE sandbox.charges (
    idempotency_key text        PRIMARY KEY,
    id              uuid        NOT NULL DEFAULT gen_random_uuid(),
    amount_minor    bigint      NOT NULL,
    currency        char(3)     NOT NULL,
    payment_method  text,
    -- ATTEMPTED: not decided yet, because the test token makes the first attempts fail.
    state           text        NOT NULL,
    decline_code    text,
    -- How often an authorization, a capture and a refund were requested.
    attempts        int         NOT NULL DEFAULT 0,
    captures        int         NOT NULL DEFAULT 0,
    refund_attempts int         NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT charges_id_key UNIQUE (id),
    CONSTRAINT charges_amount_minor_check CHECK (amount_minor >= 0),
    CONSTRAINT charges_state_check CHECK (state IN (
        'ATTEMPTED', 'AUTHORIZED', 'CAPTURED', 'PARTIALLY_REFUNDED', 'REFUNDED', 'DECLINED',
        'VOIDED'))
);

-- Money that moved. Rows are only added, never changed.
CREATE TABLE sandbox.entries (
    id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    idempotency_key text        NOT NULL REFERENCES sandbox.charges,
    kind            text        NOT NULL,
    -- The idempotency key of a REFUND. Empty for a CAPTURE.
    refund_key      text        NOT NULL DEFAULT '',
    amount_minor    bigint      NOT NULL,
    currency        char(3)     NOT NULL,
    at              timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT entries_once UNIQUE (idempotency_key, kind, refund_key),
    CONSTRAINT entries_kind_check CHECK (kind IN ('CAPTURE', 'REFUND')),
    CONSTRAINT entries_amount_minor_check CHECK (amount_minor >= 0)
);
