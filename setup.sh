#!/usr/bin/env bash
# Creates or mends .venv from the locks: setup.sh cpu|cuda|auto
set -euo pipefail
cd "$(dirname "$0")"
torch=${1:-auto}
find_links=${UV_FIND_LINKS:-${PIP_FIND_LINKS:-}}
if [ "$torch" = auto ]; then
    if command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi >/dev/null 2>&1; then torch=cuda; else torch=cpu; fi
fi
if [ ! -x .venv/bin/python ]; then
    python=$(command -v python3.11 || command -v python3) || { echo "setup: no python3; install Python 3.11" >&2; exit 2; }
    "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || {
        echo "setup: $python is not Python 3.11, for which the locks are made; install python3.11" >&2
        exit 2
    }
    "$python" -m venv .venv
fi
uv=.venv/bin/uv
if [ ! -x "$uv" ]; then
    grep -A 40 '^uv==' locks/main.txt | awk 'NR > 1 && /^[a-z]/ { exit } { print }' >.venv/uv.txt
    .venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt
fi
echo "setup: installing into .venv with torch for ${torch}: a minute or two" >&2
options=(--quiet --require-hashes --compile-bytecode)
[ -n "$find_links" ] && options+=(--find-links "$find_links")
[ "$torch" = cpu ] && [ -z "$find_links" ] && options+=(--torch-backend cpu)
export VIRTUAL_ENV=$PWD/.venv
"$uv" pip sync "${options[@]}" locks/main.txt "locks/torch-$torch.txt"
"$uv" pip install --quiet --no-deps --no-build-isolation --editable .
echo "setup: done" >&2
