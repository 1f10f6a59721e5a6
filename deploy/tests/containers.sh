# What the checks with real containers share: podman with a store of its own, pods from rendered manifests, a load.
# Sourced, with $work (a folder) and $toolwave (a client) set.

coordinator=coordinator-pod-0-coordinator
workers=(worker-pod-0-worker worker-pod-1-worker)

# Podman, where it can be had: 77 when not, which the caller tells.
have_podman() {
  local missing=()
  for tool in podman runc buildah ip; do command -v "$tool" >/dev/null || missing+=("$tool"); done
  [ ${#missing[@]} -eq 0 ] && return 0
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing ${missing[*]}"
    { apt-get update && apt-get install -y --no-install-recommends \
      podman runc netavark aardvark-dns catatonit iptables iproute2 buildah; } >"$work/apt.log" 2>&1 || true
  fi
  for tool in podman runc buildah ip; do command -v "$tool" >/dev/null || return 77; done
}

# A store, a runtime and a network of this run alone; nothing of it is left at the end.
own_podman() {
  cat >"$work/containers.conf" <<'CONF'
# crun refuses machines whose cgroups are of both versions; raising the limit of files is not permitted everywhere
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
CONF
  cat >"$work/storage.conf" <<CONF
[storage]
driver = "overlay"
graphroot = "$work/graph"
runroot = "$work/run"
CONF
  export CONTAINERS_CONF=$work/containers.conf CONTAINERS_STORAGE_CONF=$work/storage.conf
}

networks=0
# Nothing leaves it, and nothing of the phase before is in it.
fresh_network() {
  network=toolwave-$$-$((++networks))
  podman network create --internal "$network" >/dev/null
  subnet=$(podman network inspect --format '{{(index .Subnets 0).Subnet}}' "$network")
}
# To be called once a container is in it. Netavark's bridge has the lowest address of what is plugged in, another one when
# pods come and go, and then containers answer to the old one for seconds.
steady_network() {
  ip link set dev "$(podman network inspect --format '{{.NetworkInterface}}' "$network")" address 02:00:00:00:01:00
}
# The flags for a pod whose address stays when it is started anew, as a Service's does. The number is one that podman
# comes to late; without the second flag neighbours would look for half a minute for who had the address before.
fixed_address() { echo "--ip=${subnet%.*}.$1" "--mac-address=02:00:00:00:00:$(printf %02x "$1")"; } # NUMBER

none_left() {
  podman pod rm --all --force --time 0 >/dev/null 2>&1 || true
  podman rm --all --force --time 0 >/dev/null 2>&1 || true
  # that of the README, if it was made
  [ ! -e "$work/network" ] || podman network rm --force "$(cat "$work/network")" >/dev/null 2>&1 || true
  rm -f "$work/network"
  podman volume rm --all --force >/dev/null 2>&1 || true
  podman network rm --force "$network" >/dev/null 2>&1 || true
}

end_podman() {
  # the commands of podman fail without one: nothing was made then
  if [ -n "${network:-}" ]; then
    none_left
    podman rmi --all --force >/dev/null 2>&1 || true
  fi
  rm -rf "$work"
}

# Of a rendered file, the documents for one role: its account, its configuration, its deployment.
documents_of() { # FILE ROLE
  awk -v role="$2" 'BEGIN { RS = "(^|\n)---\n" }
    !/(^|\n)kind: Namespace\n/ && $0 ~ "\n  name: " role "(-[a-z0-9]+)?\n" { print "---"; print }' "$1"
}

infra_of() { podman pod inspect --format '{{.InfraContainerID}}' "$(podman inspect --format '{{.Pod}}' "$1")"; } # CONTAINER
address_of() { # CONTAINER
  podman inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$(infra_of "$1")"
}

process_of() { podman inspect --format '{{.State.Pid}}' "$1"; } # CONTAINER
status_of() { awk -v key="$2:" '$1 == key { print $2; exit }' "/proc/$(process_of "$1")/status"; } # CONTAINER KEY

until_true() { # SECONDS WHAT COMMAND...
  local seconds=$1 what=$2 end
  shift 2
  end=$((SECONDS + seconds))
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || fail "$what: not within $seconds s"
    sleep 0.1
  done
}

expect() { # WHAT IS WANTED
  [ "$2" = "$3" ] || fail "$1 is \`$2\`; expected \`$3\`"
  echo "  $1: $2"
}

below() { # WHAT IS MOST UNIT
  [ "$2" -lt "$3" ] || fail "$1 is $2 $4; expected less than $3"
  echo "  $1: $2 $4"
}

fail() {
  echo "deploy/tests/podman: $*" >&2
  for container in $(podman ps --all --format '{{.Names}}' | grep -v infra); do
    echo "--- $container" >&2
    podman logs --tail 20 "$container" >&2 2>&1 || true
  done
  exit 1
}

# As many workers as that are ready, at the coordinator of TOOLWAVE_COORDINATOR.
workers_ready() { [ "$("$toolwave" workers --output json | grep -o '"READY"' | wc -l)" = "$1" ]; }

# A plan after the other until told to stop, an end for each in $work/ends, with the flags in `flags`. Each call has an
# idempotency key, which is another one each time.
flags=()
load() { # NUMBER
  local plan=$work/load-$1.yaml said=$work/load-$1.txt number=0
  # without its folder, too: what it was started for has failed
  while [ -d "$work" ] && [ ! -e "$work/enough" ]; do
    sed -E "s/id: (call-[0-9]+)/id: \\1, idempotency_key: $1-$((++number))-\\1/" deploy/tests/load.yaml >"$plan"
    if "$toolwave" run "$plan" "${flags[@]}" >"$said" 2>&1; then
      echo ok
    else
      echo failed
      tail -n 5 "$said" >&2 2>/dev/null || true
    fi
    ! grep -qs "^note: sent again" "$said" || echo "$1" >>"$work/again"
  done >>"$work/ends"
}
ended() { [ "$(wc -l <"$work/ends")" -ge "$1" ]; }
under_load() { # WHAT COMMAND...
  local what=$1 loading=() ends number
  shift
  rm -f "$work/enough"
  : >"$work/ends"
  : >"$work/again"
  # some at each of several coordinators, and one in flight at any time
  for number in 1 2 3; do
    load "$number" &
    loading+=($!)
  done
  # some that began before, and some that began after
  until_true 30 "an execution ends" ended 1
  "$@"
  until_true 60 "executions end" ended $(($(wc -l <"$work/ends") + 2))
  touch "$work/enough"
  wait "${loading[@]}"
  ends=$(wc -l <"$work/ends")
  ! grep -q failed "$work/ends" || fail "$what: $(grep -c failed "$work/ends") of $ends executions failed"
  echo "  $what: $ends executions of 32 calls, none failed; sent again: $(wc -l <"$work/again")"
}
# As a cluster ends a pod: SIGTERM, and SIGKILL after the grace period.
stop() { # CONTAINER GRACE
  podman stop --time "$2" "$1" >/dev/null
  expect "$1: exit code after SIGTERM" "$(podman inspect --format '{{.State.ExitCode}}' "$1")" 0
}
kill_container() { # CONTAINER
  podman kill --signal KILL "$1" >/dev/null
  podman wait "$1" >/dev/null
}
# Podman takes a pod down some time after its last container, and one that is started in between goes down with it.
start_again() { # CONTAINER
  until_true 30 "the pod of $1 is down" is_down "$1"
  until_true 30 "$1 starts" podman start "$1"
}
is_down() { [ "$(podman inspect --format '{{.State.Running}}' "$(infra_of "$1")")" = false ]; } # CONTAINER
