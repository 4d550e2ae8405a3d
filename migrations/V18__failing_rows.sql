-- Rows with which a loop of the worker failed because of the row itself: one that cannot be read, is too large, is refused by another system.
-- A loop goes on past them and tries each again after a pause that grows with its attempts. A row leaves this table when it succeeds.
CREATE TABLE failing_rows (
    loop            text        NOT NULL,                              -- worker/src/failing.rs names them
    row_id          text        NOT NULL,
    attempts        int         NOT NULL DEFAULT 1 CHECK (attempts > 0),
    error           text        NOT NULL,                              -- of the last attempt; nothing personal
    since           timestamptz NOT NULL DEFAULT now(),                -- the first failure
    next_attempt_at timestamptz NOT NULL,
    PRIMARY KEY (loop, row_id)
);
