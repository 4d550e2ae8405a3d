-- Records which versions of orders the read model has.
SELECT note_projected($1, $2)
