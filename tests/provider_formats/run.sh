#!/bin/sh
# Runs check_with_sdks.py with the providers' own SDKs. Takes no arguments.
#
# Needs python3 with venv and pip, and a package index for pip at the first run. Where they are missing it says so
# and ends with 0, or with 1 when TOOLWAVE_REQUIRE_PYTHON is set. TOOLWAVE_BINARIES names a folder of binaries that
# are built already.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}

skip() {
    echo "SKIPPED: provider formats were NOT checked with the providers' SDKs: $1" >&2
    [ -z "${TOOLWAVE_REQUIRE_PYTHON:-}" ] && exit 0
    exit 1
}

command -v python3 >/dev/null || skip "there is no python3"
python3 -c 'import ensurepip, venv' 2>/dev/null || skip "python3 comes without venv or pip"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || skip "python3 is older than 3.10"

# one virtual environment for each state of requirements.txt
key=$(cksum < "$here/requirements.txt" | tr ' ' '-')
venv=$target/provider-formats/venv-$key
if [ ! -f "$venv/ready" ]; then
    rm -rf "$venv"
    mkdir -p "$target/provider-formats"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --timeout 20 --retries 1 \
        -r "$here/requirements.txt" || skip "pip cannot install requirements.txt"
    touch "$venv/ready"
fi

if [ -n "${TOOLWAVE_BINARIES:-}" ]; then
    binaries=$TOOLWAVE_BINARIES
else
    (cd "$root" && cargo build --quiet -p toolwave --bins)
    binaries=$target/debug
fi

# bounded: a command that hangs is ended
TOOLWAVE=$binaries/toolwave timeout 300 "$venv/bin/python" "$here/check_with_sdks.py"
