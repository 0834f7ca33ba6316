#!/usr/bin/env bash
# The profile that release binaries are optimized by: how often each branch was taken under the benchmark's load.
#   dev/profile-release.sh          makes it anew: an instrumented binary, and a minute of load (about twelve minutes)
#   dev/profile-release.sh name     where it is kept; it belongs to one compiler and one kind of machine
#   dev/profile-release.sh order    the functions that ran, the busiest first, as a linker takes them
#   dev/profile-release.sh runtime  the library that an instrumented binary counts with
set -euo pipefail
cd "$(dirname "$0")/.."

# The whole output is read first: a reader that leaves early would end swift with a broken pipe.
version=$(swift --version 2>/dev/null)
version=$(sed -nE 's/.*Swift version ([0-9]+(\.[0-9]+)*).*/\1/p' <<<"$version")
profile=dev/profiles/swift-$version-$(uname -s | tr '[:upper:]' '[:lower:]')-$(uname -m).profdata
# The compiler's own folder: what belongs to another one may not read what this one writes.
resources=$(swiftc -print-target-info 2>/dev/null | sed -nE 's/.*"runtimeResourcePath": "([^"]*)".*/\1/p')
profdata=$resources/../../bin/llvm-profdata

# Succeeds where the compiler brought the file; else says what is missing.
needs() {
    [ -f "$1" ] && return 0
    echo "The Swift toolchain has no $1." >&2
    return 1
}

# Blocks of a function stand behind its name; a local one's has its file before it.
order() {
    needs "$profdata" || return 1
    "$profdata" show --all-functions --counts "$profile" | awk '
        /^  [^ ].*:$/ { name = substr($0, 3, length($0) - 3); sub(/^.*;/, "", name) }
        /^    Block counts: \[/ {
            gsub(/.*\[|\].*/, ""); most = 0
            for (n = split($0, counts, ", "); n > 0; n--) if (counts[n] + 0 > most) most = counts[n] + 0
            printf "%d %s\n", most, name
        }' | sort -k1,1nr -k2,2 | cut -d' ' -f2
}

runtime() {
    local library
    library=$resources/clang/lib/linux/libclang_rt.profile-$(uname -m).a
    needs "$library" || return 1
    echo "$library"
}

write() {
    local build_dir
    if [ "$(uname)" != Linux ]; then
        echo "Release binaries are optimized by a profile on Linux only." >&2
        exit 1
    fi
    needs "$profdata"
    runtime >/dev/null
    build_dir=${VOLERY_BUILD_DIR:-$PWD/.build}-profile
    VOLERY_BUILD_DIR=$build_dir VOLERY_PROFILE=write dev/build-release.sh
    dev/install-dependencies.sh bench
    mkdir -p "$(dirname "$profile")"
    VOLERY_BINARY=$(cd "$build_dir/release" && pwd -P)/volery \
        python3 Benchmarks/profile/run.py --profdata "$profdata" "$profile"
}

case ${1:-write} in
    name) echo "$profile" ;;
    order) order ;;
    runtime) runtime ;;
    write) write ;;
    *) echo "dev/profile-release.sh [name|order|runtime]" >&2 && exit 2 ;;
esac
