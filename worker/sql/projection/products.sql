-- Reads all products with their versions.
SELECT id, name, price_minor, currency, stock, version
FROM products
ORDER BY id
