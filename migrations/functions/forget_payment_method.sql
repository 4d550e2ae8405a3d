-- Clears the payment gateway's token when the payment is settled.
CREATE OR REPLACE FUNCTION forget_payment_method() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.payment_method = NULL;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER orders_settled BEFORE UPDATE OF status ON orders FOR EACH ROW
    WHEN (NEW.payment_method IS NOT NULL
        AND NEW.status NOT IN ('PENDING', 'ACTION_REQUIRED', 'IN_REVIEW', 'RESERVED'))
    EXECUTE FUNCTION forget_payment_method();
