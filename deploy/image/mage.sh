#!/bin/sh
# Stands before the real one in PATH: `docker compose exec mage mage run …` has the settings, too.
exec with-settings /opt/venv/bin/mage "$@"
