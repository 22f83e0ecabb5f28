#!/usr/bin/env bash
# A Docker daemon of one's own out of Debian's packages, unpacked and not installed: dockerd.sh start|stop [FOLDER].
# It has no network but the host's and no access to any other daemon's images. Wants root.
set -euo pipefail
folder=$(realpath -m "${2:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice/dockerd}") # not in the checkout, where tools look for code
socket=/tmp/sluice-dockerd-$(id -u).sock # a socket's path has 108 bytes at most
path=$folder/root/usr/bin:$folder/root/usr/sbin:$PATH

start() {
    [ "$(id -u)" = 0 ] || { echo "dockerd: the daemon wants root; run it with sudo" >&2; exit 2; }
    if [ -s "$folder/pid" ] && kill -0 "$(cat "$folder/pid")" 2>/dev/null; then
        echo "dockerd: runs already" >&2
    else
        rm -f "$folder/pid"
        mkdir -p "$folder/packages"
        if [ ! -x "$folder/root/usr/sbin/runc" ]; then
            (cd "$folder/packages" && apt-get download --quiet docker.io containerd runc >/dev/null) ||
                { echo "dockerd: Debian's packages cannot be had; apt-get update, or install Docker" >&2; exit 4; }
            for package in "$folder"/packages/*.deb; do dpkg-deb -x "$package" "$folder/root"; done
        fi
        PATH=$path setsid dockerd --bridge=none --iptables=false --data-root "$folder/state" --exec-root "$folder/run" \
            --pidfile "$folder/pid" --host "unix://$socket" </dev/null >"$folder/log" 2>&1 &
        for _ in $(seq 100); do
            PATH=$path DOCKER_HOST=unix://$socket docker version >/dev/null 2>&1 && break
            kill -0 $! 2>/dev/null || { tail -n 5 "$folder/log" >&2; echo "dockerd: did not start" >&2; exit 4; }
            sleep 0.1
        done
    fi
    echo "export DOCKER_HOST=unix://$socket PATH=$folder/root/usr/bin:\$PATH"
}

stop() {
    [ -s "$folder/pid" ] || { echo "dockerd: none runs from $folder" >&2; return; }
    local pid
    pid=$(cat "$folder/pid")
    kill "$pid" && while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
}

case ${1:-} in
start | stop) "$1" ;;
*) echo "usage: dockerd.sh start|stop [FOLDER]" >&2 && exit 2 ;;
esac
