#!/usr/bin/env bash
# Runs the tiers named: unit (swift test), sim (production code under many seeds) and e2e (pytest against the debug
# binary, real models and real databases). Starts the servers that they need, and stops them at the end.
# VOLERY_TEST_LONG=1 adds what takes longer. Fails when a tier fails, and also when it ran no test.
set -euo pipefail
cd "$(dirname "$0")/.."

build_dir=${VOLERY_BUILD_DIR:-.build}
cache_dir=${VOLERY_CACHE_DIR:-$HOME/.cache/volery}
logs=$cache_dir/test-logs
unit_summary="not run"
servers=""

step() { printf '\n== %s\n' "$*"; }

build() {
    dev/install-dependencies.sh build
    step "build (debug)"
    swift build --build-tests --scratch-path "$build_dir"
}

stop_servers() {
    [ -n "$servers" ] || return 0
    for version in 15 18; do
        if [ -d "$servers/pg$version" ]; then dev/postgres.sh stop "$servers/pg$version" >/dev/null || true; fi
    done
    rm -rf "$servers"
    servers=""
}

# PostgreSQL of both versions, each in a folder of its own that goes with this run.
start_servers() {
    [ -z "$servers" ] || return 0
    dev/install-dependencies.sh test
    step "PostgreSQL 15 and 18"
    servers=$(mktemp -d /tmp/volery-servers-XXXXXX)
    chmod 755 "$servers"
    trap stop_servers EXIT
    export VOLERY_TEST_POSTGRES_15_FOLDER=$servers/pg15 VOLERY_TEST_POSTGRES_18_FOLDER=$servers/pg18
    VOLERY_TEST_POSTGRES_15=$(dev/postgres.sh start 15 "$servers/pg15")
    VOLERY_TEST_POSTGRES_18=$(dev/postgres.sh start 18 "$servers/pg18")
    export VOLERY_TEST_POSTGRES_15 VOLERY_TEST_POSTGRES_18
    echo "$VOLERY_TEST_POSTGRES_15"
    echo "$VOLERY_TEST_POSTGRES_18"
}

# Swift tests in groups, one after the other: those with limits in real time are not run beside those that take all
# the processor they can get.
unit_groups=(
    "--filter (Gateway|Runtimes|HTTPAPI|CommandLine|Telemetry)Tests"
    "--skip (Gateway|Runtimes|HTTPAPI|CommandLine|Telemetry|Database|Stores|PostgresEngine|SQLiteEngine|Scenarios|TestKit|Tidy)Tests"
    "--filter (Database|Stores|PostgresEngine)Tests"
    "--filter (SQLiteEngine|Scenarios|TestKit|Tidy)Tests"
)

run_unit() {
    local log=$logs/unit.log group option pattern ran total=0 status=0
    start_servers
    for group in "${unit_groups[@]}"; do
        read -r option pattern <<<"$group"
        step "unit tests: ${option#--} $pattern"
        swift test --skip-build --disable-xctest --scratch-path "$build_dir" "$option" "$pattern" 2>&1 |
            tee "$log" || status=1
        ran=$(grep -aoE 'Test run with [0-9]+ tests?' "$log" | tail -n 1 | grep -oE '[0-9]+' || echo 0)
        if [ "$ran" -eq 0 ]; then
            echo "This group ran no test." >&2
            exit 1
        fi
        total=$((total + ran))
    done
    if [ "$status" -ne 0 ]; then exit 1; fi
    unit_summary="$total unit tests passed"
}

# The seeds of every test run are the same, so that what failed once fails again; other seeds are for `make sim`. A run
# of `money` takes three times as long as one of `usage`.
run_sim() {
    local seeds=${VOLERY_TEST_SEEDS:-10000}
    local money=$(((seeds * 3 + 9) / 10))
    step "simulation: $seeds seeds of usage and $money of money under production code"
    "$build_dir/debug/simulate" --seed 1 --runs "$seeds" --scenario usage
    "$build_dir/debug/simulate" --seed 1 --runs "$money" --scenario money
}

# A virtual environment for each set of requirements, so that a changed pin never meets an old install.
test_python() {
    local requirements=Tests/EndToEnd/requirements.txt fingerprint venv
    fingerprint=$({ python3 --version; cat "$requirements"; } | sha256sum | cut -c1-16)
    venv=$cache_dir/test-python-$fingerprint
    if [ ! -e "$venv/.complete" ]; then
        step "Python packages for the end-to-end tests" >&2
        rm -rf "$venv"
        python3 -m venv "$venv"
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements" >&2
        touch "$venv/.complete"
    fi
    echo "$venv/bin/python"
}

run_e2e() {
    local python status=0
    start_servers
    python=$(test_python)
    step "end-to-end tests"
    # pytest itself exits with 5 when it ran no test, which fails here like any failure.
    VOLERY_BINARY=$(cd "$build_dir/debug" && pwd -P)/volery VOLERY_UNIT_SUMMARY=$unit_summary \
        "$python" -m pytest -c Tests/EndToEnd/pytest.ini Tests/EndToEnd </dev/null || status=$?
    return "$status"
}

main() {
    local tier
    mkdir -p "$logs"
    build
    for tier in "$@"; do
        case "$tier" in
        unit) run_unit ;;
        sim) run_sim ;;
        e2e) run_e2e ;;
        *)
            echo "usage: dev/test.sh unit|sim|e2e ..." >&2
            exit 64
            ;;
        esac
    done
}

main "$@"
