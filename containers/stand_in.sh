#!/usr/bin/env bash
# Makes a stand-in for the published Python base out of Debian's packages, where no registry can be reached:
# stand_in.sh [NAME]. It has Debian's Python 3.11 in place of Docker's build of it, which makes it good for trying the
# images, not for shipping them. MIRROR=http://… takes the packages from another mirror.
set -euo pipefail
name=${1:-sluice/stand-in:python-3.11-slim-bookworm}
[ "$(id -u)" = 0 ] || { echo "stand_in: debootstrap wants root; run it with sudo" >&2; exit 2; }
for tool in debootstrap docker; do
    command -v "$tool" >/dev/null || { echo "stand_in: no $tool on the PATH; apt-get install $tool, or see dockerd.sh" >&2; exit 2; }
done
docker version >/dev/null 2>&1 || { echo "stand_in: no Docker daemon answers; containers/dockerd.sh start" >&2; exit 4; }
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$root/tree" \
    ${MIRROR:+"$MIRROR"} >"$root/log" 2>&1 || { tail -n 5 "$root/log" >&2; echo "stand_in: debootstrap failed" >&2; exit 4; }
cd "$root/tree"
# As Docker's slim images do; and nothing that tells when it was made.
find usr/share/doc usr/share/man usr/share/info usr/share/locale usr/share/lintian var/cache var/lib/apt/lists var/log tmp \
    -mindepth 1 -delete
find . -name '__pycache__' -prune -exec rm -rf {} +
rm -f etc/machine-id etc/hostname etc/resolv.conf
tar -c --sort=name --mtime=@0 --numeric-owner . |
    docker import --change 'ENV LANG=C.UTF-8' --change 'CMD ["python3"]' \
        --message "stand-in for docker.io/library/python:3.11-slim-bookworm" - "$name" >/dev/null
docker image inspect --format '{{.Id}} {{.Size}}' "$name" | while read -r id size; do
    echo "$name: $id, $((size / 1000000)) MB"
done
