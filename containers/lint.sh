#!/usr/bin/env bash
# Lints the Dockerfiles and looks for secrets in what was built.
set -euo pipefail
cd "$(dirname "$0")/.."
containers/tools.sh hadolint --config containers/hadolint.yaml containers/*/Dockerfile
echo "hadolint: $(ls containers/*/Dockerfile | wc -l) files, no objection"
if [ -f build/images.lock.json ]; then .venv/bin/python -m pipelines.images.leaks; fi
