#!/usr/bin/env bash
# Writes the lock files from pyproject.toml. The CPU wheel of torch is looked for where UV_FIND_LINKS says.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=.venv/bin/uv
groups=(--group data --group train --group evaluate --group release --group serve --group server --group monitor
    --group cloud --group dev)
options=(--quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate
    --custom-compile-command "make lock")
whole=$(mktemp)
trap 'rm -f "$whole"' EXIT
$uv pip compile "${options[@]}" pyproject.toml "${groups[@]}" -o "$whole"
torch=$(grep -oE '^(nvidia-[a-z0-9-]+|triton|torch|cuda-[a-z-]+)==' "$whole" | tr -d '=' | sort -u)
omit=()
for name in $torch; do omit+=(--no-emit-package "$name"); done
$uv pip compile "${options[@]}" "${omit[@]}" pyproject.toml "${groups[@]}" -o locks/main.txt
{
    echo "# torch from the registry and its CUDA libraries; written by make lock"
    awk -v names="$torch" '
        BEGIN { split(names, list, /[ \n]/); for (i in list) wanted[list[i]] = 1 }
        /^[a-zA-Z0-9]/ { split($0, part, "=="); keep = part[1] in wanted }
        /^#/ { keep = 0 }
        keep { print }
    ' "$whole"
} >locks/torch-cuda.txt
