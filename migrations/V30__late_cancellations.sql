-- When a cancellation was found to have come too late: a parcel was on its way already, and the order
-- goes on. Its customer reads that.
ALTER TABLE orders ADD COLUMN cancel_refused_at timestamptz;
