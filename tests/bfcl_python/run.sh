#!/bin/sh
# Runs check.py against a coordinator and a Python worker of its own, on free ports. Takes no arguments.
#
# Needs python3 (3.10) with venv and pip, and a package index for pip at the first run. Where they are missing it says
# so and ends with 0, or with 1 when TOOLWAVE_REQUIRE_PYTHON is set. TOOLWAVE_BINARIES names a folder of binaries that
# are built already.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
work=$target/bfcl-python
processes=

skip() {
    echo "SKIPPED: the leaderboard's functions were NOT run on a Python worker: $1" >&2
    [ -z "${TOOLWAVE_REQUIRE_PYTHON:-}" ] && exit 0
    exit 1
}

end() {
    status=$?
    trap - EXIT INT TERM
    for process in $processes; do kill "$process" 2>/dev/null || true; done
    # after 10 s of draining they are killed
    for process in $processes; do
        rounds=0
        while kill -0 "$process" 2>/dev/null && [ $rounds -lt 100 ]; do sleep 0.1; rounds=$((rounds + 1)); done
        kill -9 "$process" 2>/dev/null || true
    done
    if [ $status -ne 0 ]; then
        for log in "$logs"/*.log; do [ -f "$log" ] && { echo "--- $log" >&2; tail -n 40 "$log" >&2; }; done
    fi
    rm -rf "$logs"
    exit $status
}

command -v python3 >/dev/null || skip "there is no python3"
python3 -c 'import ensurepip, venv' 2>/dev/null || skip "python3 comes without venv or pip"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || skip "python3 is older than 3.10"

# one virtual environment for each state of requirements.txt
key=$(cksum < "$here/requirements.txt" | tr ' ' '-')
venv=$work/venv-$key
if [ ! -f "$venv/ready" ]; then
    rm -rf "$venv"
    mkdir -p "$work"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --timeout 20 --retries 1 \
        -r "$here/requirements.txt" || skip "pip cannot install requirements.txt"
    touch "$venv/ready"
fi

if [ -n "${TOOLWAVE_BINARIES:-}" ]; then
    binaries=$TOOLWAVE_BINARIES
else
    (cd "$root" && cargo build --quiet -p toolwave -p toolwave-coordinator --bins)
    binaries=$target/debug
fi

logs=$(mktemp -d)
trap end EXIT INT TERM

# an unknown tool is rejected at once, though the coordinator has just started
printf '%s\n' 'startup_grace = "0s"' > "$logs/coordinator.toml"
NO_COLOR=1 "$binaries/toolwave-coordinator" --listen 127.0.0.1:0 --config "$logs/coordinator.toml" \
    > "$logs/coordinator.log" 2>&1 &
coordinator=$!
processes=$coordinator
address=
rounds=0
while [ -z "$address" ]; do
    kill -0 "$coordinator" 2>/dev/null || { echo "the coordinator does not start" >&2; exit 1; }
    [ $rounds -lt 300 ] || { echo "the coordinator does not listen after 30 s" >&2; exit 1; }
    sleep 0.1
    rounds=$((rounds + 1))
    address=$(grep -o '127\.0\.0\.1:[1-9][0-9]*' "$logs/coordinator.log" | head -n 1)
done
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
