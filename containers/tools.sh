#!/usr/bin/env bash
# tools.sh COMMAND ARGUMENT…: runs a tool of containers/tools, in an environment of its own that is made when it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
lock=containers/tools/requirements.txt
environment=build/tools-$(sha256sum "$lock" | cut -c1-12)
if [ ! -f "$environment/.whole" ]; then
    .venv/bin/uv venv --quiet --clear --python .venv/bin/python "$environment" >&2
    VIRTUAL_ENV=$PWD/$environment .venv/bin/uv pip sync --quiet --require-hashes "$lock" >&2
    touch "$environment/.whole"
fi
exec "$environment/bin/$1" "${@:2}"
