-- Notifications to customers, and the counts that limit them.

-- One row for each event and channel. Channel NONE: the order has no contact, and the notification
-- is only recorded.
CREATE TABLE notifications (
    order_id        text        NOT NULL REFERENCES orders ON DELETE CASCADE,
    type            text        NOT NULL,
    channel         text        NOT NULL,
    -- The id of the refund or shipment that the notification is about. Empty: the order itself.
    about           text        NOT NULL DEFAULT '',
    -- BOUNCED, COMPLAINED: reported by the provider after SENT. FAILED: given up.
    -- SUPPRESSED: not sent, because of a limit, a blocked destination, or its age (see last_error).
    state           text        NOT NULL,
    -- Whether no limit applies any more: it was counted already, or staff sent it again.
    admitted        boolean     NOT NULL DEFAULT false,
    attempts        int         NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    -- When it was recorded, or when staff last sent it again. Attempts end a fixed time later.
    due_since       timestamptz NOT NULL DEFAULT now(),
    -- The id of the message at SES or SNS.
    provider_id     text,
    last_error      text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),

    PRIMARY KEY (order_id, type, channel, about),
    CONSTRAINT notifications_type_check CHECK (type IN (
        'ORDER_CONFIRMED', 'ORDER_ACTION_REQUIRED', 'ORDER_IN_REVIEW', 'ORDER_SHIPPED',
        'ORDER_DELIVERED', 'ORDER_FAILED', 'ORDER_CANCELLED', 'ORDER_REFUNDED')),
    CONSTRAINT notifications_channel_check CHECK (channel IN ('EMAIL', 'SMS', 'NONE')),
    CONSTRAINT notifications_state_check CHECK (state IN (
        'RECORDED', 'PENDING', 'SENT', 'FAILED', 'BOUNCED', 'COMPLAINED', 'SUPPRESSED'))
);
CREATE INDEX notifications_pending ON notifications (next_attempt_at) WHERE state = 'PENDING';
-- Delivery reports name a message by its provider's id.
CREATE INDEX notifications_provider ON notifications (provider_id) WHERE provider_id IS NOT NULL;
-- What was not sent, for staff.
CREATE INDEX notifications_given_up ON notifications (updated_at)
    WHERE state IN ('FAILED', 'SUPPRESSED');
-- The number of failed notifications, for a metric.
CREATE INDEX notifications_failed ON notifications ((1)) WHERE state = 'FAILED';

-- How many messages were sent to or for a subject in a window of time.
CREATE TABLE notice_counts (
    window_start timestamptz NOT NULL,
    -- A keyed hash of the limit's name and of the address or the customer, never the plain value.
    subject      bytea       NOT NULL,
    sent         int         NOT NULL,

    PRIMARY KEY (window_start, subject)
);

-- The key of these hashes, in a single row.
CREATE TABLE notice_key (
    single boolean PRIMARY KEY DEFAULT true,
    key    text    NOT NULL,

    CONSTRAINT notice_key_single_check CHECK (single)
);
INSERT INTO notice_key (key) VALUES (gen_random_uuid()::text || gen_random_uuid()::text);
