# The overlay secure: certificates of `toolwave certs` on both sides, and nobody without one. Sourced by deploy/tests/podman.

echo "certificates"
"$toolwave" certs "$work/pki" --host coordinator --host coordinator-workers >/dev/null
# As the kubelet mounts a Secret of mode 0440 for the pod's fsGroup.
certificates() { # ROLE
  local folder
  folder=$(podman volume inspect --format '{{.Mountpoint}}' "$1-tls")
  for pair in "$1.pem:tls.crt" "$1.key:tls.key" ca.pem:ca.crt; do
    install -m 0440 -o 0 -g 65532 "$work/pki/${pair%:*}" "$folder/.new"
    mv "$folder/.new" "$folder/${pair#*:}"
  done
}
for role in coordinator worker; do
  podman volume create "$role-tls" >/dev/null
  certificates "$role"
done
manifests=deploy/rendered/podman-secure.yaml
documents_of "$manifests" coordinator >"$work/coordinator.yaml"
documents_of "$manifests" worker >"$work/worker.yaml"
podman play kube --network "$network:alias=coordinator,alias=coordinator-workers" "$work/coordinator.yaml" >/dev/null
steady_network
podman play kube --network "$network" "$work/worker.yaml" >/dev/null
export TOOLWAVE_COORDINATOR=https://$(address_of "$coordinator"):7420 TOOLWAVE_SERVER_NAME=coordinator \
  TOOLWAVE_CA=$work/pki/ca.pem TOOLWAVE_CERTIFICATE=$work/pki/client.pem TOOLWAVE_KEY=$work/pki/client.key

until_true 20 "two workers are registered" workers_ready 2
"$toolwave" run deploy/tests/first.yaml >"$work/first.txt" 2>&1 || fail "the first plan: $(cat "$work/first.txt")"
echo "  a plan of a client with a certificate was executed"
if env -u TOOLWAVE_CERTIFICATE -u TOOLWAVE_KEY "$toolwave" run deploy/tests/first.yaml >"$work/refused.txt" 2>&1; then
  fail "a client without a certificate came in"
fi
if TOOLWAVE_CERTIFICATE=$work/pki/worker.pem TOOLWAVE_KEY=$work/pki/worker.key "$toolwave" run deploy/tests/first.yaml \
  >"$work/refused.txt" 2>&1; then
  fail "a worker's certificate came in as a client's"
fi
echo "  nobody else's was"

for container in "$coordinator" "${workers[0]}"; do
  below_in_release "$container: resident memory, with TLS" "$(status_of "$container" VmRSS)" 20000 kB
done

echo "renewal"
expiry() { curl --silent --max-time 2 "http://$(address_of "$coordinator"):7422/metrics" \
  | awk '/^toolwave_tls_certificate_not_after_timestamp_seconds\{listener="listen"\}/ { print $2 }'; }
before=$(expiry)
rm "$work/pki/coordinator.pem" "$work/pki/coordinator.key"
"$toolwave" certs "$work/pki" --days 30 --host coordinator --host coordinator-workers >/dev/null
certificates coordinator
renewed() { local now; now=$(expiry); [ -n "$before" ] && [ -n "$now" ] && [ "$now" != "$before" ]; }
until_true 30 "the renewed certificate is served" renewed
"$toolwave" run deploy/tests/first.yaml >/dev/null 2>&1 || fail "no plan runs with the renewed certificate"
echo "  a renewed certificate is served without a restart"
