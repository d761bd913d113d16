#!/bin/sh
# Stands before the real one in PATH: `docker compose exec mage mage run …` has the settings, too.
with-settings /opt/venv/bin/mage "$@" && exit
status=$?
if [ "$status" = 137 ]; then
  echo "nyc-tlc: the run was killed, as a rule because the container had no more memory. Every" \
    "month is as it was before or as it is after. Raise LIMIT_MAGE_MEMORY or set TLC_WORKERS=1," \
    "and run it again." >&2
fi
exit "$status"
