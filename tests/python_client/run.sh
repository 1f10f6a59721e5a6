#!/bin/sh
# Runs check.py against a coordinator and a worker of its own, on free ports. Takes no arguments.
#
# Needs python3 with venv and pip, and a package index for pip at the first run. Where they are missing it says so
# and ends with 0, or with 1 when TOOLWAVE_REQUIRE_PYTHON is set. TOOLWAVE_BINARIES names a folder of binaries that
# are built already.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
checked="the Python client was NOT checked"
work=python-client
least=
. "$here/../shell/python.sh"

install_requirements
stubs=$work/stubs
rm -rf "$stubs"
mkdir -p "$stubs"
(cd "$root/proto" && "$venv/bin/python" -m grpc_tools.protoc -I . --python_out="$stubs" --grpc_python_out="$stubs" \
    toolwave/v1/execution.proto toolwave/v1/tool.proto)

build_binaries toolwave-coordinator toolwave-worker
start_coordinator
NO_COLOR=1 "$binaries/toolwave-worker" --coordinator "http://$address" --name python-client --slots 8 \
    > "$logs/worker.log" 2>&1 &
processes="$! $processes"

# bounded: a client that hangs is ended
TOOLWAVE_COORDINATOR=$address PYTHONPATH=$stubs timeout 180 "$venv/bin/python" "$here/check.py"
