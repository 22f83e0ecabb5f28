#!/usr/bin/env bash
# Lints the workflows: actionlint knows their language, zizmor what can be abused. Both run, whatever the first finds.
set -uo pipefail
cd "$(dirname "$0")/../.."
worst=0
.github/ci/tools.sh actionlint -no-color && echo "actionlint: no objection" || worst=$?
.github/ci/tools.sh zizmor --offline --quiet --no-progress --color never .github && echo "zizmor: no objection" || worst=$?
exit "$worst"
