-- Notices are limited, sent in their order, tried for days, and sent again when staff say so.

-- SUPPRESSED: not sent, since it is beyond a limit, goes where the shop sends nothing, or is out of date. last_error says why.
ALTER TABLE notifications
    DROP CONSTRAINT notifications_state_check,
    ADD CONSTRAINT notifications_state_check
        CHECK (state IN ('RECORDED', 'PENDING', 'SENT', 'FAILED', 'BOUNCED', 'COMPLAINED', 'SUPPRESSED')),
    -- It counts towards the limits already, or staff sent it again, which no limit prevents.
    ADD COLUMN admitted  boolean     NOT NULL DEFAULT false,
    -- Since when it is to be sent: when it was recorded, or when staff last sent it again. It is tried for so long.
    ADD COLUMN due_since timestamptz NOT NULL DEFAULT now();

-- What was not sent, for staff to see.
CREATE INDEX notifications_given_up ON notifications (updated_at) WHERE state IN ('FAILED', 'SUPPRESSED');

-- The order in which an order's notices are told where they were recorded at the same moment.
CREATE FUNCTION notice_rank(type text) RETURNS int LANGUAGE sql IMMUTABLE RETURN array_position(ARRAY[
    'ORDER_ACTION_REQUIRED', 'ORDER_IN_REVIEW', 'ORDER_CONFIRMED', 'ORDER_SHIPPED', 'ORDER_DELIVERED', 'ORDER_FAILED', 'ORDER_CANCELLED',
    'ORDER_REFUNDED'], type);

-- How many messages were sent in a window of time, by whom they went to or were for. A subject is a keyed hash: no address stands here.
CREATE TABLE notice_counts (
    window_start timestamptz NOT NULL,
    subject      bytea       NOT NULL,
    sent         int         NOT NULL,
    PRIMARY KEY (window_start, subject)
);
CREATE TABLE notice_key (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    key    text    NOT NULL
);
INSERT INTO notice_key (key) VALUES (gen_random_uuid()::text || gen_random_uuid()::text);

-- Counts a notice towards its limits, unless one of them is reached. Answers that one; NULL when the notice may be sent. All limits are for one
-- window of so many seconds. An order that never took any money has narrower ones.
CREATE FUNCTION admit_notice(the_order text, the_type text, the_channel text, the_about text, the_window bigint,
    per_recipient int, per_customer int, per_unpaid int, unpaid_sms int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    bounds  record;
    counted int;
    subjects bytea[] = '{}';
    started timestamptz = to_timestamp(floor(extract(epoch FROM now()) / the_window) * the_window);
    reached text;
BEGIN
    -- Subjects in one order for everybody, so that no two calls wait for each other in a circle.
    FOR bounds IN
        SELECT l.name, l.allowed, sha256(convert_to(k.key || l.name || ':' || l.whose, 'UTF8')) AS subject
        FROM notice_key k, (
            SELECT o.customer_id AS customer, CASE the_channel WHEN 'EMAIL' THEN lower(o.contact_email) ELSE o.contact_phone END AS recipient,
                NOT EXISTS (
                    SELECT FROM payments p WHERE p.order_id = o.id AND p.amount_minor > 0
                    AND p.status IN ('CAPTURED', 'PARTIALLY_REFUNDED', 'REFUNDED')
                ) AS unpaid
            FROM orders o WHERE o.id = the_order
        ) o, LATERAL (VALUES
            ('RECIPIENT', o.recipient, per_recipient, true),
            ('CUSTOMER', o.customer, per_customer, true),
            ('UNPAID_RECIPIENT', o.recipient, per_unpaid, o.unpaid),
            ('UNPAID_CUSTOMER', o.customer, per_unpaid, o.unpaid),
            ('UNPAID_SMS', '', unpaid_sms, o.unpaid AND the_channel = 'SMS')
        ) AS l (name, whose, allowed, applies) WHERE l.applies AND l.whose IS NOT NULL ORDER BY subject
    LOOP
        INSERT INTO notice_counts AS c (window_start, subject, sent) VALUES (started, bounds.subject, 1)
            ON CONFLICT (window_start, subject) DO UPDATE SET sent = c.sent + 1 RETURNING c.sent INTO counted;
        subjects = subjects || bounds.subject;
        IF counted > bounds.allowed THEN
            reached = coalesce(reached, bounds.name);
        END IF;
    END LOOP;
    IF reached IS NULL THEN
        UPDATE notifications n SET admitted = true WHERE (n.order_id, n.type, n.channel, n.about) = (the_order, the_type, the_channel, the_about);
    ELSE
        -- What is not sent does not count, so that nobody uses up what is for others.
        UPDATE notice_counts c SET sent = c.sent - 1 WHERE c.window_start = started AND c.subject = ANY (subjects);
    END IF;
    RETURN reached;
END $$;
