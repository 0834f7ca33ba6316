#!/usr/bin/env bash
# Builds the release binary and puts it where scripts look for it: .build/release/volery.
set -euo pipefail
cd "$(dirname "$0")/.."

build_dir=${VOLERY_BUILD_DIR:-.build}

dev/install-dependencies.sh build

if [ ! -x "$build_dir/release/volery" ]; then
    echo "Building Volery. This takes about ten minutes on two cores, once; later builds take seconds." >&2
fi
swift build -c release --product volery --scratch-path "$build_dir" >&2

if [ "$build_dir" != .build ]; then
    mkdir -p .build
    ln -sfn "$(cd "$build_dir/release" && pwd -P)" .build/release
fi
