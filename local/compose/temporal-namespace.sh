#!/bin/sh
# Makes the namespace, once the server takes calls. TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE are known to the CLI.
set -eu

tries=60
until temporal operator cluster health >/dev/null 2>&1; do
  tries=$((tries - 1))
  if [ "$tries" = 0 ]; then
    temporal operator cluster health
  fi
  sleep 1
done

temporal operator namespace describe >/dev/null 2>&1 ||
  temporal operator namespace create --retention 72h
