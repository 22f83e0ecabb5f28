#!/usr/bin/env bash
# Writes the lock files from pyproject.toml. The CPU wheel of torch is looked for where UV_FIND_LINKS says.
# `compile.sh images` writes only those of the images, in the versions that are locked already.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=.venv/bin/uv
options=(--quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate
    --custom-compile-command "make lock")
# Debian 12, on which the images stand.
linux=(--python-platform x86_64-manylinux_2_36)

everything() {
    local groups=(--group data --group train --group evaluate --group release --group serve --group envoy --group server
        --group monitor --group step --group cloud --group containers --group dev)
    local whole torch name omit=()
    whole=$(mktemp)
    $uv pip compile "${options[@]}" --universal pyproject.toml "${groups[@]}" -o "$whole"
    torch=$(grep -oE '^(nvidia-[a-z0-9-]+|triton|torch|cuda-[a-z-]+)==' "$whole" | tr -d '=' | sort -u)
    for name in $torch; do omit+=(--no-emit-package "$name"); done
    $uv pip compile "${options[@]}" --universal "${omit[@]}" pyproject.toml "${groups[@]}" -o locks/main.txt
    {
        echo "# torch from the registry and its CUDA libraries; written by make lock"
        awk -v names="$torch" '
            BEGIN { split(names, list, /[ \n]/); for (i in list) wanted[list[i]] = 1 }
            /^[a-zA-Z0-9]/ { split($0, part, "=="); keep = part[1] in wanted }
            /^#/ { keep = 0 }
            keep { print }
        ' "$whole"
    } >locks/torch-cuda.txt
    rm "$whole"
}

# image NAME [pyproject.toml] GROUP…: what an image holds, torch apart, in the versions of the locks.
image() {
    local out=containers/$1/requirements.txt name arguments=()
    shift
    [ "$1" = pyproject.toml ] && arguments+=("$1") && shift
    for name in "$@"; do arguments+=(--group "$name"); done
    for name in $(grep -oE '^[a-z0-9-]+==' locks/torch-cuda.txt | tr -d '='); do arguments+=(--no-emit-package "$name"); done
    $uv pip compile "${options[@]}" "${linux[@]}" "${arguments[@]}" -c locks/main.txt -c locks/torch-cuda.txt -o "$out"
}

# apart NAME: what cannot or need not agree with the rest, from a list of its own.
apart() {
    local over=()
    [ ! -f "containers/$1/overrides.txt" ] || over=(--override "containers/$1/overrides.txt")
    $uv pip compile "${options[@]}" "${linux[@]}" "${over[@]}" "containers/$1/requirements.in" -o "containers/$1/requirements.txt"
}

[ "${1:-}" = images ] || everything
image data pyproject.toml step data
image train pyproject.toml step state train
image evaluate pyproject.toml step state kms evaluate
image release pyproject.toml step state kms vertex release
image monitor pyproject.toml step state kms monitor
image dispatch pyproject.toml step cloud containers
image serve store state serve
image envoy envoy
apart statistics
apart tools
