#!/bin/sh
# Makes Temporal's two databases and brings their schemas to the server's version; doing it again changes nothing. SQL_HOST and the like tell
# where Postgres is.
set -eu

for schema in temporal visibility; do
  SQL_DATABASE=temporal
  [ "$schema" = temporal ] || SQL_DATABASE=temporal_$schema
  export SQL_DATABASE
  temporal-sql-tool create-database
  temporal-sql-tool setup-schema --version 0.0
  temporal-sql-tool update-schema --schema-name "postgresql/v12/$schema"
done
