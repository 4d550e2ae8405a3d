-- Traces: how work that is not in the call tree of the order's request finds the order's trace.

-- The W3C trace context of the span in which the order was accepted. NULL: the order was accepted
-- while tracing was off.
ALTER TABLE orders ADD COLUMN traceparent text
    CONSTRAINT orders_traceparent_check CHECK (traceparent ~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$');
