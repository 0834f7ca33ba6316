#!/usr/bin/env bash
# The profile that release binaries are optimized by: how often each branch was taken under the benchmark's load.
#   dev/profile-release.sh          makes it anew: an instrumented binary, and a minute of load (about twelve minutes)
#   dev/profile-release.sh name     where it is kept; it belongs to one compiler and one kind of machine
#   dev/profile-release.sh order    the functions that ran, the busiest first, as a linker takes them
set -euo pipefail
cd "$(dirname "$0")/.."

compiler() { swift --version 2>/dev/null | sed -nE 's/.*Swift version ([0-9]+(\.[0-9]+)*).*/\1/p' | head -n 1; }
profile=dev/profiles/swift-$(compiler)-$(uname -s | tr '[:upper:]' '[:lower:]')-$(uname -m).profdata
# The compiler's own: another one's may not read what it writes.
profdata=$(dirname "$(readlink -f "$(command -v swiftc)")")/llvm-profdata

# Blocks of a function stand behind its name; a local one's has its file before it.
order() {
    "$profdata" show --all-functions --counts "$profile" | awk '
        /^  [^ ].*:$/ { name = substr($0, 3, length($0) - 3); sub(/^.*;/, "", name) }
        /^    Block counts: \[/ {
            gsub(/.*\[|\].*/, ""); most = 0
            for (n = split($0, counts, ", "); n > 0; n--) if (counts[n] + 0 > most) most = counts[n] + 0
            printf "%d %s\n", most, name
        }' | sort -k1,1nr -k2,2 | cut -d' ' -f2
}

write() {
    local build_dir
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
    write) write ;;
    *) echo "dev/profile-release.sh [name|order]" >&2 && exit 2 ;;
esac
