-- What an order's process needs to go on when its workflow is gone, beside what is on record already.

-- The payment gateway's token, until the payment is settled. It is worth nothing without the shop's own key at the gateway.
ALTER TABLE orders ADD COLUMN payment_method text CHECK (payment_method <> '');

CREATE FUNCTION forget_payment_method() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.payment_method = NULL;
    RETURN NEW;
END $$;
CREATE TRIGGER orders_settled BEFORE UPDATE OF status ON orders FOR EACH ROW
    WHEN (NEW.payment_method IS NOT NULL AND NEW.status NOT IN ('PENDING', 'ACTION_REQUIRED', 'IN_REVIEW', 'RESERVED'))
    EXECUTE FUNCTION forget_payment_method();

-- How an order ends that is being compensated: the status, and the reason for the customer to read.
ALTER TABLE orders
    ADD COLUMN compensating_to text CHECK (compensating_to IN ('FAILED', 'CANCELLED')),
    ADD COLUMN compensating_reason text;
