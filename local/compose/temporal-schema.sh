#!/bin/sh
# Creates Temporal's two databases and upgrades their schemas to the server's version. Running it
# again changes nothing. The SQL_* variables, such as SQL_HOST, contain the address of Postgres.
set -eu

for schema in temporal visibility; do
  SQL_DATABASE=temporal
  [ "$schema" = temporal ] || SQL_DATABASE=temporal_$schema
  export SQL_DATABASE
  temporal-sql-tool create-database
  temporal-sql-tool setup-schema --version 0.0
  temporal-sql-tool update-schema --schema-name "postgresql/v12/$schema"
done
