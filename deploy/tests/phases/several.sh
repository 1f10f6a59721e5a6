# The overlay several-coordinators: three that share nothing but two workers, which hold a session with each; one is
# killed. Sourced by deploy/tests/podman.

manifests=deploy/rendered/podman-several.yaml
documents_of "$manifests" coordinator >"$work/coordinator.yaml"
documents_of "$manifests" worker >"$work/worker.yaml"
podman play kube --network "$network:alias=coordinator,alias=coordinator-workers" "$work/coordinator.yaml" >/dev/null
podman play kube --network "$network" "$work/worker.yaml" >/dev/null
at() { export TOOLWAVE_COORDINATOR=http://$(address_of "coordinator-pod-$1-coordinator"):7420; }
for number in 0 1 2; do
  at "$number"
  until_true 30 "two workers are registered at coordinator $number" workers_ready 2
  "$toolwave" run deploy/tests/first.yaml >/dev/null 2>&1 || fail "coordinator $number executes no plan"
done
echo "  each of three coordinators has both workers, and executes a plan"

kill_a_neighbour() {
  podman kill --signal KILL coordinator-pod-1-coordinator >/dev/null
  podman wait coordinator-pod-1-coordinator >/dev/null
}
at 0
under_load "its neighbour killed" kill_a_neighbour
podman start coordinator-pod-1-coordinator >/dev/null 2>&1 || true
at 1
until_true 60 "two workers are registered at the coordinator that came back" workers_ready 2
"$toolwave" run deploy/tests/first.yaml >/dev/null 2>&1 || fail "the coordinator that came back executes no plan"
echo "  the one that came back has both workers again"
