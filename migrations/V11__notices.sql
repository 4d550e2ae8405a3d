-- How a customer wants to be told: by which channel alone (NULL: by each address that there is), and in which language.
ALTER TABLE orders
    ADD COLUMN contact_channel text CHECK (contact_channel IN ('EMAIL', 'SMS')),
    ADD COLUMN contact_language text NOT NULL DEFAULT 'en';

-- What became of a notice after the provider had taken it: SES tells of it by the message's id.
ALTER TABLE notifications
    DROP CONSTRAINT notifications_state_check,
    ADD CONSTRAINT notifications_state_check
        CHECK (state IN ('RECORDED', 'PENDING', 'SENT', 'FAILED', 'BOUNCED', 'COMPLAINED'));
CREATE INDEX notifications_provider ON notifications (provider_id) WHERE provider_id IS NOT NULL;
