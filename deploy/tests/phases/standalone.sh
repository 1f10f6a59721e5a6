# The overlay standalone: a client's plan, who the processes are and what they may, what they hold at rest, workers and
# the coordinator stopped, killed and started again under load. Sourced by deploy/tests/podman.

echo "from the manifests to the first plan"
started=$(date +%s%N)
manifests=deploy/rendered/podman-smoke.yaml
documents_of "$manifests" coordinator >"$work/coordinator.yaml"
documents_of "$manifests" worker >"$work/worker.yaml"
podman play kube --network "$network:alias=coordinator,alias=coordinator-workers" "$work/coordinator.yaml" >/dev/null
steady_network
podman play kube --network "$network" "$work/worker.yaml" >/dev/null
address=$(address_of "$coordinator")
export TOOLWAVE_COORDINATOR=http://$address:7420
until_true 20 "two workers are registered" workers_ready 2
"$toolwave" run deploy/tests/first.yaml >"$work/first.txt" 2>&1 || fail "the first plan: $(cat "$work/first.txt")"
echo "  first plan executed after $((($(date +%s%N) - started) / 1000000)) ms"

echo "who they are"
for container in "$coordinator" "${workers[@]}"; do
  expect "$container: user" "$(status_of "$container" Uid)" 65532
  expect "$container: capabilities" "$(status_of "$container" CapBnd)" 0000000000000000
  expect "$container: no new privileges" "$(status_of "$container" NoNewPrivs)" 1
  written=$(touch "/proc/$(process_of "$container")/root/written" 2>&1) && fail "$container: its root can be written to"
  expect "$container: root" "$(grep -o 'Read-only file system' <<<"$written")" "Read-only file system"
done
podman exec "$coordinator" /bin/sh -c true 2>/dev/null && fail "there is a shell in the image"

echo "at rest"
until_true 10 "the coordinator is ready" curl --silent --fail --max-time 2 "http://$address:7422/readyz"
for container in "$coordinator" "${workers[0]}"; do
  [ "$container" = "$coordinator" ] && port=7422 || port=7423
  curl --silent --fail --max-time 2 "http://$(address_of "$container"):$port/metrics" | grep -c '^toolwave_' >/dev/null \
    || fail "$container: no metrics on port $port"
  expect "$container: is given huge pages" "$(status_of "$container" THP_enabled)" 0
  below_in_release "$container: resident memory" "$(status_of "$container" VmRSS)" 20000 kB
done

roll_workers() {
  for container in "${workers[@]}"; do
    stop "$container" 300
    start_again "$container"
    until_true 20 "$container is back" workers_ready 2
  done
}
kill_worker() {
  kill_container "${workers[0]}"
  start_again "${workers[0]}"
  # its lease has to end before it is no longer counted, and it is another then
  until_true 30 "the killed worker is back" workers_ready 2
}

echo "workers that go and come"
under_load "workers stopped and started, one after another" roll_workers
under_load "a worker killed" kill_worker

echo "the coordinator that goes and comes"
"$toolwave" run deploy/tests/load.yaml >"$work/last.txt" 2>&1 &
running=$!
in_flight() { "$toolwave" workers --output json | grep -c '"in_flight": *[1-9]'; }
until_true 10 "the execution is in flight" in_flight
stop "$coordinator" 60
wait "$running" || fail "an execution in flight was not finished by the drain: $(cat "$work/last.txt")"
echo "  an execution in flight ended as it should"
# As a rollout does: another pod, at another address, which the workers find by its name.
podman pod rm --force "${coordinator%-coordinator}" >/dev/null
# shellcheck disable=SC2046 # two flags
podman play kube $(fixed_address 200) --network "$network:alias=coordinator,alias=coordinator-workers" \
  "$work/coordinator.yaml" >/dev/null
[ "$(address_of "$coordinator")" != "$address" ] || fail "the other pod has the first one's address"
address=$(address_of "$coordinator")
export TOOLWAVE_COORDINATOR=http://$address:7420
until_true 60 "the workers found the coordinator that took its place" workers_ready 2
"$toolwave" run deploy/tests/first.yaml >/dev/null 2>&1 || fail "no plan runs after the coordinator came back"

# Clients that may send again what may have run, and wait for the one coordinator to come back.
restart_coordinator() {
  stop "$coordinator" 60
  start_again "$coordinator"
  until_true 60 "the workers found the coordinator again" workers_ready 2
}
kill_coordinator() {
  kill_container "$coordinator"
  start_again "$coordinator"
  until_true 60 "the workers found the coordinator again" workers_ready 2
}
flags=(--resubmit keyed --patience 60s)
under_load "the coordinator stopped and started under clients that wait for it" restart_coordinator
under_load "the coordinator killed under clients that send again" kill_coordinator
flags=()
for container in "${workers[@]}" "$coordinator"; do stop "$container" 60; done
