-- Counts a notification towards its limits unless one of them is reached. Answers the name of the
-- reached limit, or NULL if the notification may be sent. All limits are for one window of
-- `the_window` seconds. Orders that never captured a payment have narrower limits.
CREATE OR REPLACE FUNCTION admit_notice(
    the_order text, the_type text, the_channel text, the_about text, the_window bigint,
    per_recipient int, per_customer int, per_unpaid int, unpaid_sms int
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    bounds  record;
    counted int;
    subjects bytea[] = '{}';
    started timestamptz = to_timestamp(
        floor(extract(epoch FROM now()) / the_window) * the_window);
    reached text;
BEGIN
    -- Every call counts its subjects in the same order, so no two calls deadlock.
    FOR bounds IN
        SELECT l.name, l.allowed,
            sha256(convert_to(k.key || l.name || ':' || l.whose, 'UTF8')) AS subject
        FROM notice_key k, (
            SELECT o.customer_id AS customer,
                -- Addresses that differ in a +tag only are one mailbox.
                CASE the_channel
                    WHEN 'EMAIL' THEN regexp_replace(lower(o.contact_email), '\+[^@]*@', '@')
                    ELSE o.contact_phone
                END AS recipient,
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
        ) AS l (name, whose, allowed, applies)
        WHERE l.applies AND l.whose IS NOT NULL ORDER BY subject
    LOOP
        INSERT INTO notice_counts AS c (window_start, subject, sent)
            VALUES (started, bounds.subject, 1)
            ON CONFLICT (window_start, subject) DO UPDATE SET sent = c.sent + 1
            RETURNING c.sent INTO counted;
        subjects = subjects || bounds.subject;
        IF counted > bounds.allowed THEN
            reached = coalesce(reached, bounds.name);
        END IF;
    END LOOP;
    IF reached IS NULL THEN
        UPDATE notifications n SET admitted = true
            WHERE (n.order_id, n.type, n.channel, n.about)
                = (the_order, the_type, the_channel, the_about);
    ELSE
        -- A notification that is not sent does not count, so nobody uses up the limits of others.
        UPDATE notice_counts c SET sent = c.sent - 1
            WHERE c.window_start = started AND c.subject = ANY (subjects);
    END IF;
    RETURN reached;
END $$;
