-- What operators set and watch.

-- The maintenance switch. While its single row exists, new orders are accepted and wait: nothing is
-- reserved or charged.
CREATE TABLE maintenance (
    single boolean     PRIMARY KEY DEFAULT true,
    reason text        NOT NULL,
    since  timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT maintenance_single_check CHECK (single)
);

-- Rows that a loop of the worker failed to process because of the row itself: it cannot be read, is
-- too large, or another system refuses it. The loop goes on with other rows and retries this one
-- with growing pauses. The entry is deleted when the row succeeds.
CREATE TABLE failing_rows (
    -- The name of the loop, such as EVENTS.
    loop            text        NOT NULL,
    -- The id of the order, product or refund.
    row_id          text        NOT NULL,
    attempts        int         NOT NULL DEFAULT 1,
    -- The error of the last attempt, without personal data.
    error           text        NOT NULL,
    -- When the row first failed.
    since           timestamptz NOT NULL DEFAULT now(),
    next_attempt_at timestamptz NOT NULL,

    PRIMARY KEY (loop, row_id),
    CONSTRAINT failing_rows_attempts_check CHECK (attempts > 0)
);

-- The files of functions/ and views/ that `worker migrate` applied. It applies a file again when
-- the checksum has changed.
CREATE TABLE schema_definitions (
    file       text        PRIMARY KEY,
    -- SHA-256 of the file's text.
    checksum   bytea       NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
