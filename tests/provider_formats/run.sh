#!/bin/sh
# Runs check_with_sdks.py with the providers' own SDKs. Takes no arguments.
#
# Needs python3 with venv and pip, and a package index for pip at the first run. Where they are missing it says so
# and ends with 0, or with 1 when TOOLWAVE_REQUIRE_PYTHON is set. TOOLWAVE_BINARIES names a folder of binaries that
# are built already.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
checked="provider formats were NOT checked with the providers' SDKs"
work=provider-formats
least="3, 10"
. "$here/../shell/python.sh"

install_requirements
build_binaries toolwave

# bounded: a command that hangs is ended
TOOLWAVE=$binaries/toolwave timeout 300 "$venv/bin/python" "$here/check_with_sdks.py"
