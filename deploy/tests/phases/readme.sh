# The commands with which deploy/README.md tries it without a cluster, as they are written there. Sourced by
# deploy/tests/podman.

awk '$0 == "<!-- try -->" { found = 1; next } found && !/^    / { exit } found { sub(/^    /, ""); print }' \
  deploy/README.md >"$work/try.sh"
grep -q '^toolwave run' "$work/try.sh" || fail "deploy/README.md tries nothing after its marker"
mkdir "$work/path"
ln -s "$(realpath "$toolwave")" "$work/path/toolwave"
if podman network exists toolwave || (: <>/dev/tcp/127.0.0.1/7420) 2>/dev/null; then
  echo "SKIPPED: the commands of deploy/README.md need port 7420 and a network of the name toolwave, which are taken" >&2
else
  echo toolwave >"$work/network"
  started=$(date +%s%N)
  PATH=$work/path:$PATH bash -euo pipefail "$work/try.sh" >"$work/tried.txt" 2>&1 || fail "deploy/README.md: $(cat "$work/tried.txt")"
  grep -q '3 SUCCEEDED' "$work/tried.txt" || fail "deploy/README.md: $(cat "$work/tried.txt")"
  echo "  the commands of the README, from the network to its removal: $((($(date +%s%N) - started) / 1000000)) ms"
  [ -z "$(podman ps --all --quiet)" ] || fail "something is left: $(podman ps --all)"
fi
