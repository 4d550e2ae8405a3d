#!/usr/bin/env bash
# Run by LocalStack when it is ready: makes the tables and queues of infra/data.yaml, and lets SES know the sender. LocalStack keeps nothing when
# it stops, so this runs at each of its starts; doing it twice changes nothing.
set -euo pipefail

awslocal cloudformation deploy --stack-name orderflow-data --template-file /etc/orderflow/data.yaml \
  --parameter-overrides "Name=${ORDERS_TABLE%-orders}" --no-fail-on-empty-changeset
awslocal ses verify-email-identity --email-address "$EMAIL_FROM"
