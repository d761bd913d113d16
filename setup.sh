#!/bin/sh
# Makes the virtual environment with every pinned package: `make setup`, or `sh setup.sh`.
# `sh setup.sh --python` only prints the Python that it would take.
#
# PYTHON  the Python to take; empty: 3.11 or 3.12 under whatever name, else the one that uv brings
# VENV    folder of the environment (.venv)
set -eu
cd "$(dirname "$0")"
venv=${VENV:-.venv}
uv_version=0.13.9
sought='expected Python 3.11 or 3.12, which mage-ai 0.9.80 has wheels for'
remedy='install Python 3.12, or uv (https://docs.astral.sh/uv), which brings it, or set PYTHON=/path/to/python3.12'

refuse() {
  echo "$1. Nothing was installed. Next: $2." >&2
  exit 1
}

# A name in PATH proves nothing: a shim of pyenv's is there without its Python.
version_of() {
  "$1" -c 'import sys
print("%s.%s" % sys.version_info[:2] if sys.implementation.name == "cpython" else sys.implementation.name)' \
    2>/dev/null || true
}

found_python() {
  if [ -n "${PYTHON:-}" ]; then
    case $(version_of "$PYTHON") in
      3.11 | 3.12) echo "$PYTHON" && return ;;
      '') refuse "PYTHON=$PYTHON does not run ($sought)" "$remedy" ;;
      *) refuse "PYTHON=$PYTHON is Python $(version_of "$PYTHON"): $sought" "$remedy" ;;
    esac
  fi
  others=
  for name in python3.11 python3.12 python3 python python3.13 python3.14 python3.10; do
    case $(version_of "$name") in
      3.11 | 3.12) echo "$name" && return ;;
      '') ;;
      *) others="$others $name ($(version_of "$name"))" ;;
    esac
  done
  if command -v uv >/dev/null; then
    for version in 3.11 3.12; do # one that is there already, in a place that PATH does not name
      uv python find --system --no-project --no-python-downloads "$version" 2>/dev/null && return
    done
    uv python install 3.12 && uv python find --system --no-project 3.12 && return
    refuse "uv cannot bring Python 3.12 (see above), and PATH has none: $sought" "$remedy"
  fi
  refuse "PATH has${others:- no Python}: $sought" "$remedy"
}

# What has no wheel on Linux arm64 is built: docs/platforms.md.
require_tools() {
  case "$(uname -s) $(uname -m)" in 'Linux aarch64' | 'Linux arm64') ;; *) return 0 ;; esac
  missing=
  for tool in cc cargo; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
  done
  headers=$("$1" -c 'import sysconfig; print(sysconfig.get_path("include"))')
  [ -e "$headers/Python.h" ] || missing="$missing Python.h"
  [ -z "$missing" ] || refuse "Linux arm64 builds pgpq and psutil from source, and lacks:$missing" \
    'install gcc, Rust and the headers of your Python (docs/platforms.md has the commands), or run the containers'
}

python=$(found_python)
if [ "${1:-}" = --python ]; then
  echo "$python"
  exit
fi
# Debian and Ubuntu pack these apart.
if ! missing=$("$python" -c 'import ensurepip, venv' 2>&1); then
  refuse "$python cannot make environments ($(echo "$missing" | tail -n 1))" \
    "apt-get install python$(version_of "$python")-venv"
fi
require_tools "$python"
# One of another version, or whose Python is gone, is of no use.
[ "$(version_of "$venv/bin/python")" = "$(version_of "$python")" ] || rm -rf "$venv"
"$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$uv_version"
# Compiled now: a `mage run` takes 3.8 s of CPU with bytecode and 9.8 s without (2026-11), each
# time where the environment is another user's.
"$venv/bin/uv" pip sync --quiet ${COMPILE---compile-bytecode} --python "$venv/bin/python" --require-hashes \
  requirements.lock
# The lock has no pip; people expect one.
"$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$python" -m venv --upgrade-deps "$venv"
touch "$venv/installed"
