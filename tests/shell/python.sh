# What the checks in Python share: sourced by their run.sh, after it has set
#   checked   what is said not to have been checked, where Python is missing
#   work      a folder of the build for what is installed
#   least     the least version of Python, such as "3, 10"; empty: any
# and `here`, its own folder, with a requirements.txt.

root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
work=$target/$work
processes=

skip() {
    echo "SKIPPED: $checked: $1" >&2
    [ -z "${TOOLWAVE_REQUIRE_PYTHON:-}" ] && exit 0
    exit 1
}

# Sets venv: a virtual environment with requirements.txt, one for each state of it.
install_requirements() {
    command -v python3 >/dev/null || skip "there is no python3"
    python3 -c 'import ensurepip, venv' 2>/dev/null || skip "python3 comes without venv or pip"
    [ -z "$least" ] || python3 -c "import sys; sys.exit(sys.version_info < ($least))" ||
        skip "python3 is older than $(echo "$least" | sed 's/, /./')"
    venv=$work/venv-$(cksum < "$here/requirements.txt" | tr ' ' '-')
    [ ! -f "$venv/ready" ] || return 0
    rm -rf "$venv"
    mkdir -p "$work"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --timeout 20 --retries 1 \
        -r "$here/requirements.txt" || skip "pip cannot install requirements.txt"
    touch "$venv/ready"
}

# Sets binaries: where the programs of these packages are, built now unless TOOLWAVE_BINARIES names a folder.
build_binaries() {
    binaries=${TOOLWAVE_BINARIES:-}
    [ -z "$binaries" ] || return 0
    packages=
    for package in "$@"; do packages="$packages -p $package"; done
    # shellcheck disable=SC2086 # each is a word
    (cd "$root" && cargo build --quiet $packages --bins)
    binaries=$target/debug
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

# Sets logs and address, and processes, which end with the script: add to it what else is started.
start_coordinator() {
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
}
