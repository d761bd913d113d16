#!/bin/sh
# Makes databases and roles as docker-compose.yml wants them; every start runs it again, so that a
# password changed in .env, a volume of secrets made again, or a new version of this file reaches a
# database that exists.
set -eu
secret() { cat "/run/secrets/nyc-tlc/$1"; }
SUPERUSER_PASSWORD=$(secret SUPERUSER_PASSWORD)
LOADER_PASSWORD=$(secret POSTGRES_PASSWORD)
MAGE_PASSWORD=$(secret MAGE_DATABASE_PASSWORD)
READER_PASSWORD=$(secret READER_PASSWORD)
export SUPERUSER_PASSWORD LOADER_PASSWORD MAGE_PASSWORD READER_PASSWORD
exec psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --file - --file /deploy/postgres/roles.psql <<'END'
\getenv password SUPERUSER_PASSWORD
ALTER ROLE CURRENT_USER PASSWORD :'password';
END
