#!/usr/bin/env bash
# Builds a release binary and puts it where scripts look for it: .build/release/volery, or the product named.
set -euo pipefail
cd "$(dirname "$0")/.."

build_dir=${VOLERY_BUILD_DIR:-.build}
product=${1:-volery}

dev/install-dependencies.sh build

if [ ! -x "$build_dir/release/$product" ]; then
    echo "Building Volery. This takes about ten minutes on two cores, once; later builds take seconds." >&2
fi
# docs/adr/0050-a-small-process.md says why.
flags=(-Xswiftc -enforce-exclusivity=unchecked -Xswiftc -cross-module-optimization)
if [ "$(uname)" = Linux ]; then flags+=(--static-swift-stdlib); fi
swift build -c release --product "$product" "${flags[@]}" --scratch-path "$build_dir" >&2

if [ "$build_dir" != .build ]; then
    mkdir -p .build
    ln -sfn "$(cd "$build_dir/release" && pwd -P)" .build/release
fi
