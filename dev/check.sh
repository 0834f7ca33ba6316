#!/usr/bin/env bash
# What must hold before anything is merged: format, generated files, scripts, warnings as errors, tidiness.
set -euo pipefail
cd "$(dirname "$0")/.."

build_dir=${VOLERY_BUILD_DIR:-.build}

step() { printf '\n== %s\n' "$*"; }

dev/install-dependencies.sh build

step "format (mend with: make format)"
swift format lint --strict --parallel --recursive --configuration .swift-format Package.swift Sources Tests Benchmarks

step "generated files"
dev/generate-errors.py --check

step "shell scripts"
while IFS= read -r script; do
    bash -n "$script"
done < <(find dev .ci Benchmarks -type f \( -name '*.sh' -o -name run \) | sort)

step "Python sources"
python3 - <<'PYTHON'
import ast, pathlib, sys
failed = 0
for root in ("dev", "workers", "Tests/EndToEnd", "Benchmarks"):
    for path in sorted(pathlib.Path(root).rglob("*.py")):
        text = path.read_text()
        try:
            ast.parse(text, str(path))
        except SyntaxError as error:
            failed += 1
            print(f"{path}:{error.lineno}: {error.msg}")
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) > 120:
                failed += 1
                print(f"{path}:{number}: {len(line)} columns; the limit is 120")
sys.exit(1 if failed else 0)
PYTHON

step "build, warnings as errors"
swift build --build-tests --scratch-path "$build_dir"

step "tidiness (Tests/TidyTests says why)"
swift test --skip-build --disable-xctest --filter TidyTests --scratch-path "$build_dir"
