-- What somebody said has come in, each once: who says it again, with the same id, adds nothing. The movement that it makes is in stock_movements.
CREATE TABLE restocks (
    id           text        PRIMARY KEY,
    product_id   text        NOT NULL REFERENCES products ON DELETE CASCADE,
    quantity     bigint      NOT NULL CHECK (quantity > 0),
    reason       text,                                                 -- for people to read
    requested_by text,                                                 -- subject at the issuer, where anybody was asked
    requested_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX restocks_product ON restocks (product_id);
