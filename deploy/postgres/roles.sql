-- The loader owns the database of the trips and nothing else, the reader can only read it, and
-- Mage's metadata have a database and an owner of their own.
\getenv database POSTGRES_DBNAME
\getenv loader POSTGRES_USER
\getenv loader_password LOADER_PASSWORD
\getenv mage_password MAGE_PASSWORD
\getenv reader_password READER_PASSWORD

SELECT format('CREATE ROLE %I LOGIN', role)
FROM unnest(ARRAY[:'loader', 'mage', 'tlc_reader']) AS role
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) \gexec
ALTER ROLE :"loader" PASSWORD :'loader_password';
ALTER ROLE mage PASSWORD :'mage_password';
ALTER ROLE tlc_reader PASSWORD :'reader_password';

SELECT format('CREATE DATABASE %I OWNER %I', name, owner)
FROM (VALUES (:'database', :'loader'), ('mage', 'mage')) AS wanted (name, owner)
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name) \gexec
REVOKE ALL ON DATABASE :"database", mage FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO tlc_reader;

\connect :"database"
-- For every schema and table that the loader will make, partitions of later months included.
ALTER DEFAULT PRIVILEGES FOR ROLE :"loader" GRANT USAGE ON SCHEMAS TO tlc_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE :"loader" GRANT SELECT ON TABLES TO tlc_reader;
