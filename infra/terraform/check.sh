#!/usr/bin/env bash
# What checkov has to say about Terraform: nothing, or an exception whose reason stands beside it in the code.
# It has an environment of its own (290 MB), kept between runs: its packages would bind ours. Its lock, checkov.txt:
#   echo checkov==VERSION | uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url
#       --no-emit-find-links --no-annotate - -o checkov.txt
set -euo pipefail
cd "$(dirname "$0")"
uv=../../.venv/bin/uv
[ -x "$uv" ] || { echo "infra-check: there is no .venv here; run \`make setup\` first" >&2; exit 2; }
place=${XDG_CACHE_HOME:-$HOME/.cache}/sluice/checkov-$(sha256sum checkov.txt | cut -c1-12)
if [ ! -e "$place/ready" ]; then
    echo "infra-check: installing checkov into $place: a minute" >&2
    "$uv" venv --quiet --clear --python ../../.venv/bin/python "$place"
    "$uv" pip install --quiet --python "$place/bin/python" --require-hashes -r checkov.txt
    touch "$place/ready"
fi
# --skip-download: its guides lie behind a network, and nothing of ours is sent anywhere.
"$place/bin/checkov" --directory . --framework terraform --skip-download --compact --quiet
echo "infra-check: nothing to complain about"
