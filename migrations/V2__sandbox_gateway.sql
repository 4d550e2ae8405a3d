-- The sandbox payment gateway's own books. It stands for somebody else's system: nothing here refers to our tables, and our tables do not
-- refer to it.
CREATE SCHEMA sandbox;

-- One charge for each idempotency key, whatever number of times it is asked for.
CREATE TABLE sandbox.charges (
    idempotency_key text        PRIMARY KEY,
    id              uuid        NOT NULL DEFAULT gen_random_uuid() UNIQUE,
    amount_minor    bigint      NOT NULL CHECK (amount_minor >= 0),
    currency        char(3)     NOT NULL,
    state           text        NOT NULL CHECK (state IN ('ATTEMPTED', 'CAPTURED', 'DECLINED', 'REFUNDED', 'VOIDED')),
    decline_code    text,
    attempts        int         NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL DEFAULT now()
);

-- The ledger: money that moved. Rows are only ever added.
CREATE TABLE sandbox.entries (
    id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    idempotency_key text        NOT NULL REFERENCES sandbox.charges,
    kind            text        NOT NULL CHECK (kind IN ('CAPTURE', 'REFUND')),
    amount_minor    bigint      NOT NULL CHECK (amount_minor >= 0),
    currency        char(3)     NOT NULL,
    at              timestamptz NOT NULL DEFAULT now(),
    UNIQUE (idempotency_key, kind)
);
