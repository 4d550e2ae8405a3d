-- Records which versions of orders the read model has.
SELECT record_projected($1, $2)
