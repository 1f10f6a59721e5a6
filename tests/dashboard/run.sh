#!/bin/sh
# The dashboard in a real browser, against a coordinator and workers of its own. Arguments are words that the names
# of the cases to run hold.
#
# Needs node 20 with npm, a package index for npm at the first run, and a Chromium: TOOLWAVE_CHROMIUM, that of the
# system (apt install chromium), or that of Playwright. Where they are missing it says so and ends with 0, or with 1
# when TOOLWAVE_REQUIRE_BROWSER is set. TOOLWAVE_BINARIES names a folder of binaries that are built already;
# TOOLWAVE_SCREENSHOTS a folder for pictures, such as docs/screenshots.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
work=$target/dashboard-tests

skip() {
    echo "SKIPPED: the dashboard was NOT tried in a browser: $1" >&2
    [ -z "${TOOLWAVE_REQUIRE_BROWSER:-}" ] && exit 0
    exit 1
}

command -v node >/dev/null || skip "there is no node"
command -v npm >/dev/null || skip "there is no npm"
[ "$(node -p 'parseInt(process.versions.node)')" -ge 20 ] || skip "node is older than 20"
mkdir -p "$work"
cp "$here"/*.mjs "$here/package.json" "$here/package-lock.json" "$work/"
lock=$(cksum < "$here/package-lock.json")
if [ "$(cat "$work/installed" 2>/dev/null)" != "$lock" ]; then
    (cd "$work" && npm ci --no-audit --no-fund --silent) || skip "npm cannot install package-lock.json"
    echo "$lock" > "$work/installed"
fi
chromium=$(cd "$work" && node --input-type=module -e 'import { chromiumPath } from "./browser.mjs"; console.log(chromiumPath() ?? "")')
if [ -z "$chromium" ]; then
    (cd "$work" && timeout 300 npx playwright-core install chromium-headless-shell chromium >/dev/null 2>&1) || true
    chromium=$(cd "$work" && node --input-type=module -e 'import { chromiumPath } from "./browser.mjs"; console.log(chromiumPath() ?? "")')
fi
[ -n "$chromium" ] || skip "there is no Chromium, and Playwright cannot fetch one: apt install chromium"

if [ -z "${TOOLWAVE_BINARIES:-}" ]; then
    (cd "$root" && cargo build --quiet -p toolwave -p toolwave-coordinator -p toolwave-worker --bins)
    TOOLWAVE_BINARIES=$target/debug
fi
export TOOLWAVE_BINARIES
if [ -n "${TOOLWAVE_SCREENSHOTS:-}" ]; then
    mkdir -p "$TOOLWAVE_SCREENSHOTS"
    TOOLWAVE_SCREENSHOTS=$(cd "$TOOLWAVE_SCREENSHOTS" && pwd)
    export TOOLWAVE_SCREENSHOTS
fi
# bounded: a browser that hangs is ended
cd "$work" && timeout 900 node check.mjs "$@"
