-- Records a notification once for each channel that the order's contact allows, and for each of
-- `abouts`, which distinguish it from others of its kind. Answers how many new ones readers see.
CREATE OR REPLACE FUNCTION record_notices(the_order text, kind text, abouts text[]) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    seen bigint;
BEGIN
    WITH recorded AS (
        INSERT INTO notifications (order_id, type, channel, state, about)
        SELECT o.id, kind, c.channel, c.state, a.about
        FROM unnest(abouts) AS a (about), orders o, LATERAL (VALUES
            ('EMAIL', 'PENDING',
                o.contact_email IS NOT NULL AND coalesce(o.contact_channel, 'EMAIL') = 'EMAIL'),
            ('SMS', 'PENDING',
                o.contact_phone IS NOT NULL AND coalesce(o.contact_channel, 'SMS') = 'SMS'),
            ('NONE', 'RECORDED', o.contact_email IS NULL AND o.contact_phone IS NULL)
        ) AS c (channel, state, wanted) WHERE o.id = the_order AND c.wanted
        ON CONFLICT DO NOTHING RETURNING channel
    ) SELECT count(*) FILTER (WHERE r.channel <> 'NONE') INTO seen FROM recorded r;
    RETURN seen;
END $$;
