-- Takes the customer's lock and counts the customer's other unpaid orders.
SELECT orders, units, waiting
FROM unpaid_orders($1, $2)
