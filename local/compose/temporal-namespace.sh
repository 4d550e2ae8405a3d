#!/bin/sh
# Waits for the Temporal server, for about a minute at most. Then creates the namespace, if it does
# not exist. The CLI reads TEMPORAL_ADDRESS by itself, but these commands ignore TEMPORAL_NAMESPACE.
set -eu

tries=60
until temporal operator cluster health >/dev/null 2>&1; do
  tries=$((tries - 1))
  if [ "$tries" = 0 ]; then
    temporal operator cluster health
  fi
  sleep 1
done

temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
  temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention 72h
