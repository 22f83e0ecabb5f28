#!/usr/bin/env bash
# tools.sh TOOL ARGUMENT…: runs a linter of .github/tools, in an environment of its own under build/ that is made when
# it is missing. One apart for each: actionlint's package fetches its binary from GitHub, and not every machine can.
set -euo pipefail
cd "$(dirname "$0")/../.."
lock=.github/tools/$1.txt
environment=build/tools/$1-$(sha256sum "$lock" | cut -c1-12)
mkdir -p build/tools
if [ ! -f "$environment/.whole" ]; then
    {
        .venv/bin/uv venv --quiet --clear --python .venv/bin/python "$environment"
        VIRTUAL_ENV=$PWD/$environment .venv/bin/uv pip sync --quiet --require-hashes "$lock"
    } >"$environment.log" 2>&1 || { echo "ci-lint: $1 cannot be had: $(grep -m 1 -iE 'error|failed' "$environment.log")" >&2; exit 4; }
    touch "$environment/.whole"
fi
exec "$environment/bin/$1" "${@:2}"
