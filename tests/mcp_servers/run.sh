#!/bin/sh
# Installs the MCP servers that are pinned here into a folder of the build, and runs the tests that mount them.
# Arguments are handed to the test program.
#
# Needs node 20 or later with npm, python3 3.10 or later with venv and pip, git, and the registries at the first run.
# Where they are missing it says so and ends with 0, or with 1 when TOOLWAVE_REQUIRE_MCP is set.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
servers=$target/mcp-servers

skip() {
    echo "SKIPPED: the real MCP servers were NOT tried: $1" >&2
    [ -z "${TOOLWAVE_REQUIRE_MCP:-}" ] && exit 0
    exit 1
}

command -v node >/dev/null || skip "there is no node"
command -v npm >/dev/null || skip "there is no npm"
command -v git >/dev/null || skip "there is no git"
command -v python3 >/dev/null || skip "there is no python3"
node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' || skip "node is older than 20"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || skip "python3 is older than 3.10"
python3 -c 'import ensurepip, venv' 2>/dev/null || skip "python3 comes without venv or pip"

mkdir -p "$servers"
wanted=$(cat "$here/package-lock.json" "$here/requirements.txt" | cksum)
if [ "$(cat "$servers/installed" 2>/dev/null)" != "$wanted" ]; then
    rm -rf "$servers"
    mkdir -p "$servers"
    cp "$here/package.json" "$here/package-lock.json" "$servers/"
    (cd "$servers" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) || skip "npm cannot install the servers"
    python3 -m venv "$servers/venv"
    "$servers/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$here/requirements.txt" ||
        skip "pip cannot install the servers"
    echo "$wanted" >"$servers/installed"
fi

cd "$root"
cargo build --quiet -p toolwave-mounted --examples
TOOLWAVE_MCP_SERVERS=$servers cargo test -p toolwave-mounted --test mcp_real -- --nocapture "$@"
