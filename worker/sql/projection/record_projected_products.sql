-- Records which versions of products the read model has.
SELECT note_projected_products($1, $2)
