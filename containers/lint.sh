#!/usr/bin/env bash
# Lints the Dockerfiles and looks for secrets in what was built.
set -euo pipefail
cd "$(dirname "$0")/.."
files=(containers/*/Dockerfile)
containers/tools.sh hadolint --config containers/hadolint.yaml "${files[@]}"
echo "hadolint: ${#files[@]} files, no objection"
if [ -f build/images.lock.json ]; then .venv/bin/python -m pipelines.images.leaks; fi
