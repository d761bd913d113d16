#!/bin/sh
# Stands before the image's entry point. On a full volume PostgreSQL ends in the middle of its
# recovery, with a hint at corrupted data, and Docker would start it again for ever.
set -eu
trap 'exit 0' INT TERM
free() { df -Pm /var/lib/postgresql | awk 'NR == 2 { print $4 }'; }
least=48 # MB: three files of WAL
if [ "$(free)" -lt "$least" ]; then
  echo "nyc-tlc: no space left on the volume postgres-data. Make room on its disk (\`docker system df\`)," \
    "and PostgreSQL starts by itself: it needs $least MB. Nothing that was committed is lost" >&2
  while [ "$(free)" -lt "$least" ]; do sleep 2; done
fi
exec docker-entrypoint.sh "$@"
