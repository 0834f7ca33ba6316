#!/usr/bin/env bash
# Builds a release binary and puts it where scripts look for it: .build/release/volery, or the product named.
#   VOLERY_PROFILE=write    instruments it, in a build folder of its own (dev/profile-release.sh)
#   VOLERY_PROFILE=none     builds without the profile that is kept for this compiler
set -euo pipefail
cd "$(dirname "$0")/.."

build_dir=${VOLERY_BUILD_DIR:-.build}
product=${1:-volery}

dev/install-dependencies.sh build

if [ ! -x "$build_dir/release/$product" ]; then
    echo "Building Volery. This takes ten to fifteen minutes on two cores, once; later builds take seconds." >&2
fi
# docs/adr/0050-a-small-process.md and docs/adr/0053-built-by-what-it-does.md say why.
flags=(-Xswiftc -enforce-exclusivity=unchecked -Xswiftc -cross-module-optimization)
frontend() { for flag in "$@"; do flags+=(-Xswiftc -Xfrontend -Xswiftc "$flag"); done; }
linker() { for flag in "$@"; do flags+=(-Xlinker "$flag"); done; }

# A copy under a name of its contents: what is built with another profile is built anew.
kept() {
    local sum name
    sum=$(cksum <"$1" | cut -d' ' -f1)
    name=$build_dir/$(basename "$1" .new)-$sum
    [ -f "$name" ] || cp "$1" "$name"
    (cd "$build_dir" && echo "$PWD/$(basename "$name")")
}

if [ "$(uname)" = Linux ]; then
    flags+=(--static-swift-stdlib)
    profile=$(dev/profile-release.sh name)
    if [ "${VOLERY_PROFILE:-}" = write ]; then
        # The compiler takes an object for current whose source is: whether it is instrumented is not seen.
        frontend -ir-profile-generate -disable-incremental-llvm-codegen
        linker -u __llvm_profile_runtime "$(dev/profile-release.sh runtime)"
    else
        frontend -function-sections
        # In one segment, of which a start's pages can be given back; what is called often stands together.
        flags+=(-Xswiftc -use-ld=lld)
        linker --no-rosegment -z keep-text-section-prefix
        if [ -f "$profile" ] && [ "${VOLERY_PROFILE:-}" != none ]; then
            mkdir -p "$build_dir"
            frontend "-ir-profile-use=$(kept "$profile")" -disable-incremental-llvm-codegen
            if dev/profile-release.sh order >"$build_dir/release-order.new"; then
                linker "--symbol-ordering-file=$(kept "$build_dir/release-order.new")" --no-warn-symbol-ordering
            fi
            rm -f "$build_dir/release-order.new"
        fi
    fi
fi
swift build -c release --product "$product" "${flags[@]}" --scratch-path "$build_dir" >&2

if [ "${VOLERY_PROFILE:-}" != write ] && [ "$build_dir" != .build ]; then
    mkdir -p .build
    ln -sfn "$(cd "$build_dir/release" && pwd -P)" .build/release
fi
