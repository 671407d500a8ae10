#!/bin/sh
# Makes .venv from a lock file with checksums and installs this checkout into it: deploy/setup.sh server|dev
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

command -v "$python" >/dev/null || { echo "$python is not there. Install Python 3.11, 3.12 or 3.13, or say PYTHON=python3.12 make …" >&2; exit 1; }
"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || {
  echo "$("$python" --version) does not do: keymgr needs Python 3.11, 3.12 or 3.13. Say for example PYTHON=python3.12 make …" >&2; exit 1; }
"$python" -c 'import ensurepip, venv' 2>/dev/null || {
  echo "$python cannot make a virtual environment: install its venv package (Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }

[ -x .venv/bin/python ] || "$python" -m venv .venv
echo "Installing what deploy/locks/$1.txt lists, by checksum; this takes a minute the first time."
.venv/bin/python -m pip install --quiet --require-hashes -r "deploy/locks/$1.txt"
# What builds the package stays in a folder of its own, out of the environment that serves.
rm -rf .venv/build
.venv/bin/python -m pip install --quiet --require-hashes --no-deps --target .venv/build -r deploy/locks/build.txt
PYTHONPATH=.venv/build .venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
touch ".venv/.$1"
