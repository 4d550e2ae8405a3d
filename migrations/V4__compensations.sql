-- Since when an order is being withdrawn: its payment reversed, its stock released. A compensation is retried until it works; this shows it while
-- it does not. Readers do not see it, so it does not raise the version.
ALTER TABLE orders ADD COLUMN compensating_since timestamptz;
