#!/bin/sh
# The one place that shows the owner's password: `docker compose exec mage show-login`.
exec with-settings sh -c 'printf "user      %s\npassword  %s\n" "$DEFAULT_OWNER_EMAIL" "$DEFAULT_OWNER_PASSWORD"'
