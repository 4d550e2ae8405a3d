#!/usr/bin/env bash
# Creates the tables and queues of infra/data.yaml, and verifies the sender in SES. LocalStack runs
# this script at each start, when it is ready, because it loses its data when it stops. Running it
# twice changes nothing.
set -euo pipefail

awslocal cloudformation deploy --stack-name orderflow-data --template-file /etc/orderflow/data.yaml \
  --parameter-overrides "Name=${ORDERS_TABLE%-orders}" --no-fail-on-empty-changeset
awslocal ses verify-email-identity --email-address "$EMAIL_FROM"
