#!/usr/bin/env bash
# Runs the tiers named: unit (swift test) and e2e (pytest against the debug binary and real models).
# VOLERY_TEST_LONG=1 adds what takes longer. Fails when a tier fails, and also when it ran no test.
set -euo pipefail
cd "$(dirname "$0")/.."

build_dir=${VOLERY_BUILD_DIR:-.build}
cache_dir=${VOLERY_CACHE_DIR:-$HOME/.cache/volery}
logs=$cache_dir/test-logs
unit_summary="not run"

step() { printf '\n== %s\n' "$*"; }

build() {
    dev/install-dependencies.sh build
    step "build (debug)"
    swift build --build-tests --scratch-path "$build_dir"
}

run_unit() {
    local log=$logs/unit.log
    step "unit tests"
    swift test --skip-build --disable-xctest --scratch-path "$build_dir" 2>&1 | tee "$log"
    unit_summary=$(grep -aoE 'Test run with [0-9]+ tests?.*' "$log" | tail -n 1 || true)
    if ! grep -qE '^Test run with [1-9]' <<<"$unit_summary"; then
        echo "The unit tests ran no test." >&2
        exit 1
    fi
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
        e2e) run_e2e ;;
        *)
            echo "usage: dev/test.sh unit|e2e ..." >&2
            exit 64
            ;;
        esac
    done
}

main "$@"
