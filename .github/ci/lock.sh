#!/usr/bin/env bash
# lock.sh COMMIT: fetches the images lock that the build of a commit on main left, into build/.
set -euo pipefail
cd "$(dirname "$0")/../.."
[[ ${1:-} =~ ^[0-9a-f]{40}$ ]] || { echo "ci-lock: COMMIT '${1:-}' is no commit's 40 digits; git rev-parse HEAD prints them" >&2; exit 2; }
run=$(gh run list --workflow main.yml --branch main --event push --commit "$1" --limit 1 --json databaseId --jq '.[].databaseId')
[ -n "$run" ] || { echo "ci-lock: main.yml never ran for $1; release a commit of main" >&2; exit 2; }
mkdir -p build && rm -f build/images.lock.json
gh run download "$run" --name images-lock --dir build || {
    echo "ci-lock: run $run of main.yml has no images-lock (not built, or older than 90 days); run it again" >&2
    exit 2
}
