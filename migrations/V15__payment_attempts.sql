-- How often the gateway has been asked for an order's payment. What fails at the first attempt leaves no row, so a second one begins with 2.
ALTER TABLE payments ADD COLUMN attempts int NOT NULL DEFAULT 1;
