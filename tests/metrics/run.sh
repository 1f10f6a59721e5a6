#!/bin/sh
# Has promtool lint the live metrics pages of a coordinator and of a worker that has run a call. Takes no arguments.
#
# Needs promtool, curl and cargo. promtool is installed with apt where that is possible. Where it is missing this says
# so and ends with 0, or with 1 when TOOLWAVE_REQUIRE_PROMTOOL is set. TOOLWAVE_BINARIES names a folder of binaries
# that are built already.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
folder=$(mktemp -d)
processes=

finish() {
    for process in $processes; do kill "$process" 2>/dev/null || true; done
    rm -rf "$folder"
}
trap finish EXIT

skip() {
    echo "SKIPPED: the metrics pages were NOT linted by promtool: $1" >&2
    [ -z "${TOOLWAVE_REQUIRE_PROMTOOL:-}" ] && exit 0
    exit 1
}

command -v curl >/dev/null || skip "there is no curl"
if ! command -v promtool >/dev/null; then
    command -v apt-get >/dev/null || skip "there is no promtool, and no apt-get to install it"
    [ "$(id -u)" = 0 ] || skip "there is no promtool, and only root can install it"
    # The package starts a server where there is an init system; only the tool is wanted.
    printf '#!/bin/sh\nexit 101\n' > "$folder/policy-rc.d"
    if [ -e /usr/sbin/policy-rc.d ]; then policy=; else policy=/usr/sbin/policy-rc.d; fi
    [ -z "$policy" ] || install -m 0755 "$folder/policy-rc.d" "$policy"
    apt-get install -y --no-install-recommends prometheus > "$folder/apt.log" 2>&1 || true
    [ -z "$policy" ] || rm -f "$policy"
    command -v promtool >/dev/null || skip "apt-get does not install it: $(tail -1 "$folder/apt.log")"
fi

binaries=${TOOLWAVE_BINARIES:-}
if [ -z "$binaries" ]; then
    cargo build --quiet -p toolwave-coordinator -p toolwave-worker -p toolwave --bins
    binaries=$target/debug
fi

# The address that a line of a log has, waited for: of the line that says $2 in log $1.
address_of() {
    for _ in $(seq 200); do
        found=$(sed -n "s/.*\"message\":\"$2\",\"address\":\"\([^\"]*\)\".*/\1/p" "$1" | head -1)
        [ -z "$found" ] || { echo "$found"; return 0; }
        sleep 0.1
    done
    echo "no line \"$2\":" >&2
    cat "$1" >&2
    return 1
}

"$binaries/toolwave-coordinator" --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --log-format json \
    2> "$folder/coordinator.log" &
processes="$! $processes"
coordinator=$(address_of "$folder/coordinator.log" "coordinator listens")
"$binaries/toolwave-worker" --coordinator "http://$coordinator" --admin-listen 127.0.0.1:0 --log-format json \
    2> "$folder/worker.log" &
processes="$! $processes"

status=0
lint() {
    page=$folder/$1.page
    port=$(address_of "$folder/$1.log" "admin port open")
    for _ in $(seq 200); do
        [ "$(curl -s -o /dev/null -w '%{http_code}' "http://$port/readyz")" != 200 ] || break
        sleep 0.1
    done
    curl -sSf "http://$port/metrics" > "$page"
    echo "$1: $(grep -c '^# TYPE' "$page") families, $(grep -vc '^#' "$page") samples"
    promtool check metrics < "$page" || status=1
}
lint worker
"$binaries/toolwave" call --coordinator "http://$coordinator" echo '{"message": "linted"}' > /dev/null
lint coordinator
grep -q '^toolwave_calls_completed_total{tool="echo",outcome="succeeded"} 1$' "$folder/coordinator.page" || {
    echo "the call is not counted" >&2
    status=1
}
exit $status
