-- Locks the customer until the transaction ends. Counts the customer's other unpaid orders, and
-- tells how many units they hold and whether one of them waits for the customer's decision.
SELECT orders, units, waiting
FROM unpaid_orders($1, $2)
