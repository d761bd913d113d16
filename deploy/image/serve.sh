#!/bin/sh
# Mage's server: UI, scheduler or, as INSTANCE_TYPE says, one of the two.
set -e
# In development (docker-compose.dev.yml) the project is that of the checkout.
[ -n "$CHECKOUT" ] || project-for-server
exec python -m mage_server "${CHECKOUT:-/data/mage_project}" --host 0.0.0.0 --port 6789
