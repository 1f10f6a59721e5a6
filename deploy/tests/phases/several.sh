# The overlay several-coordinators: three that share nothing but two workers, which hold a session with each; one is
# killed, then each is stopped and started, and killed. Sourced by deploy/tests/podman.

manifests=deploy/rendered/podman-several.yaml
documents_of "$manifests" coordinator >"$work/coordinator.yaml"
documents_of "$manifests" worker >"$work/worker.yaml"
# shellcheck disable=SC2046 # two flags each
podman play kube $(fixed_address 200) $(fixed_address 201) $(fixed_address 202) \
  --network "$network:alias=coordinator,alias=coordinator-workers" "$work/coordinator.yaml" >/dev/null
steady_network
podman play kube --network "$network" "$work/worker.yaml" >/dev/null
at() { export TOOLWAVE_COORDINATOR=http://$(address_of "coordinator-pod-$1-coordinator"):7420; }
for number in 0 1 2; do
  at "$number"
  until_true 30 "two workers are registered at coordinator $number" workers_ready 2
  "$toolwave" run deploy/tests/first.yaml >/dev/null 2>&1 || fail "coordinator $number executes no plan"
done
echo "  each of three coordinators has both workers, and executes a plan"

at 0
under_load "its neighbour killed" kill_container coordinator-pod-1-coordinator
start_again coordinator-pod-1-coordinator
at 1
until_true 60 "two workers are registered at the coordinator that came back" workers_ready 2
"$toolwave" run deploy/tests/first.yaml >/dev/null 2>&1 || fail "the coordinator that came back executes no plan"
echo "  the one that came back has both workers again"

# Clients know all three: `toolwave run` without --resubmit, so nothing may have run twice.
addresses=
for number in 0 1 2; do
  at "$number"
  addresses=${addresses:+$addresses,}$TOOLWAVE_COORDINATOR
done
has_its_workers() { (at "$1"; workers_ready 2); }
roll_coordinators() {
  for number in 0 1 2; do
    stop "coordinator-pod-$number-coordinator" 60
    start_again "coordinator-pod-$number-coordinator"
    until_true 60 "coordinator $number has its workers again" has_its_workers "$number"
  done
}
export TOOLWAVE_COORDINATOR=$addresses
under_load "coordinators stopped and started, one after another" roll_coordinators

# What may have run is sent again, as its calls have keys. Each is killed, and again until that was needed: which of them
# has an execution is the clients' to draw.
kill_coordinators() {
  local number
  for number in 0 1 2 0 1 2 0 1 2; do
    kill_container "coordinator-pod-$number-coordinator"
    start_again "coordinator-pod-$number-coordinator"
    until_true 60 "coordinator $number came back and has its workers" has_its_workers "$number"
    if [ "$number" = 2 ] && [ -s "$work/again" ]; then return; fi
  done
  fail "nine coordinators were killed under load, and nothing was sent again"
}
flags=(--resubmit keyed --patience 60s)
under_load "coordinators killed, one after another, under clients that send again" kill_coordinators
flags=()
