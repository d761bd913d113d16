#!/bin/sh
# `docker compose exec mage triggers list`, `… triggers on daily_sync`, `… triggers --help`.
exec with-settings python -m mage_server.triggers "$@"
