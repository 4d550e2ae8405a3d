-- Records which versions of products the read model has.
SELECT record_projected_products($1, $2)
