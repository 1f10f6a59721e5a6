#!/bin/sh
# Runs check.py against a coordinator and a Python worker of its own, on free ports. Takes no arguments.
#
# Needs python3 (3.10) with venv and pip, and a package index for pip at the first run. Where they are missing it says
# so and ends with 0, or with 1 when TOOLWAVE_REQUIRE_PYTHON is set. TOOLWAVE_BINARIES names a folder of binaries that
# are built already.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
checked="the leaderboard's functions were NOT run on a Python worker"
work=bfcl-python
least="3, 10"
. "$here/../shell/python.sh"

install_requirements
build_binaries toolwave toolwave-coordinator
start_coordinator
export TOOLWAVE_COORDINATOR=$address

PYTHONPATH=$root/sdk/python/src PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" "$here/functions.py" > "$logs/worker.log" 2>&1 &
worker=$!
processes="$worker $processes"
rounds=0
until "$binaries/toolwave" tools --coordinator "http://$address" 2>/dev/null | grep -q math_gcd; do
    kill -0 "$worker" 2>/dev/null || { echo "the worker does not start" >&2; exit 1; }
    [ $rounds -lt 300 ] || { echo "the worker has not registered after 30 s" >&2; exit 1; }
    sleep 0.1
    rounds=$((rounds + 1))
done

# bounded: a command that hangs is ended
TOOLWAVE=$binaries/toolwave PYTHONDONTWRITEBYTECODE=1 timeout 300 "$venv/bin/python" "$here/check.py"
