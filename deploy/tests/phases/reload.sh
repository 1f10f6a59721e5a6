# A limit is changed in the ConfigMap of the overlay standalone, and counts without a restart. Sourced by
# deploy/tests/podman.

manifests=deploy/rendered/podman-smoke.yaml
documents_of "$manifests" coordinator >"$work/coordinator.yaml"
documents_of "$manifests" worker >"$work/worker.yaml"
podman play kube --network "$network:alias=coordinator,alias=coordinator-workers" "$work/coordinator.yaml" >/dev/null
steady_network
podman play kube --network "$network" "$work/worker.yaml" >/dev/null
export TOOLWAVE_COORDINATOR=http://$(address_of "$coordinator"):7420
until_true 20 "two workers are registered" workers_ready 2
before=$(process_of "$coordinator")

# As the kubelet does: a new file under the old name, all at once.
configuration=$(podman volume inspect --format '{{.Mountpoint}}' coordinator)/coordinator.toml
change() { # FROM TO
  sed "s/$1/$2/" "$configuration" >"$configuration.new"
  cmp -s "$configuration" "$configuration.new" && fail "there is no \`$1\` to change"
  mv "$configuration.new" "$configuration"
}
refused() { ! "$toolwave" run deploy/tests/load.yaml; }
taken() { "$toolwave" run deploy/tests/load.yaml; }
change 'max_queued_calls = 100_000' 'max_queued_calls = 10'
until_true 40 "more calls than may wait now are refused" refused
change 'max_queued_calls = 10$' 'max_queued_calls = 20_000'
until_true 40 "they are taken again" taken
change 'max_queued_calls = 20_000' 'max_queued_cals = 1'
told() { podman logs "$coordinator" 2>&1 | grep -c 'max_queued_cals: unknown key'; }
until_true 40 "what is wrong is told" told
failed() { curl --silent --max-time 2 "http://$(address_of "$coordinator"):7422/metrics" \
  | grep -c '^toolwave_config_last_reload_successful 0'; }
until_true 10 "toolwave_config_last_reload_successful is 0, for the alert" failed
taken >/dev/null 2>&1 || fail "wrong configuration has changed something"
echo "  a limit was lowered and raised in the ConfigMap, and a wrong key is told and counts for nothing"
expect "the coordinator's process, from the first to the last" "$(process_of "$coordinator")" "$before"
