#!/bin/sh
# Mage's server: UI, scheduler or, as INSTANCE_TYPE says, one of the two.
set -e
project-for-server
exec python -m mage_server /data/mage_project --host 0.0.0.0 --port 6789
