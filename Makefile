# Volery's commands. `make` alone lists them.
# VOLERY_BUILD_DIR moves the build folder (CI keeps its own between runs); VOLERY_CACHE_DIR moves the cache.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VOLERY_BUILD_DIR ?= .build
VOLERY_CACHE_DIR ?= $(HOME)/.cache/volery
export VOLERY_BUILD_DIR VOLERY_CACHE_DIR

# What `make sim` runs.
SEED ?= 1
RUNS ?= 1000
SCENARIO ?= usage
BUG ?=

.PHONY: help up build profile dependencies check format test test-unit test-sim test-e2e test-long sim bench bench-gateway \
	bench-storage bench-disconnect bench-ledger bench-instructions bench-tenants bench-usage check-budget \
	clean

help: ## list these commands
	@echo "Volery: one API over your own models. Start with: make up"
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: ## install what is missing, build, fetch the default models, serve on 127.0.0.1:8080
	@dev/build-release.sh
	@.build/release/volery models pull --defaults
	@exec .build/release/volery serve

build: ## build the release binary: .build/release/volery
	@dev/build-release.sh

dependencies: ## install the system packages that are missing
	@dev/install-dependencies.sh build

check: ## format, generated files, tidiness, warnings as errors
	@dev/check.sh

format: ## rewrite the Swift sources in the project's format
	@swift format --in-place --parallel --recursive --configuration .swift-format Package.swift Sources Tests Benchmarks

test: ## everything: unit tests, 13,000 simulated runs, then the platform end to end with its real models
	@dev/test.sh unit sim e2e

test-unit: ## the Swift tests alone
	@dev/test.sh unit

test-sim: ## the 13,000 simulated runs alone
	@dev/test.sh sim

test-e2e: ## the end-to-end tests alone
	@dev/test.sh e2e

test-long: ## all of `make test`, and what takes longer
	@VOLERY_TEST_LONG=1 dev/test.sh unit sim e2e

sim: ## production code under seeds: make sim SEED=1 RUNS=1000 SCENARIO=usage (or money; BUG=name plants one)
	@dev/build-release.sh simulate
	@.build/release/simulate --seed $(SEED) --runs $(RUNS) --scenario $(SCENARIO) $(if $(BUG),--bug $(BUG)) $(if $(JOBS),--jobs $(JOBS))

bench: ## measure the gateway beside nginx alone, and print it (about three minutes)
	@dev/build-release.sh
	@dev/install-dependencies.sh bench
	@python3 Benchmarks/gateway/run.py --only volery,nginx --rounds 1

bench-gateway: ## beside five other gateways, and its goals (about half an hour; SOAK=600 adds ten minutes)
	@dev/build-release.sh
	@dev/install-dependencies.sh bench
	@python3 Benchmarks/gateway/run.py $(if $(SOAK),--soak $(SOAK))

profile: ## anew, what release binaries are optimized by: an instrumented build and its load (about twelve minutes)
	@dev/profile-release.sh

bench-storage: ## transactions a second: group commit and PostgreSQL beside plain GRDB and pgbench (about five minutes)
	@dev/build-release.sh storage-bench
	@dev/install-dependencies.sh test
	@python3 Benchmarks/storage/run.py

bench-ledger: ## postings a second beside a plain UPDATE loop, on SQLite and PostgreSQL (about six minutes)
	@dev/build-release.sh ledger-bench
	@dev/install-dependencies.sh test
	@python3 Benchmarks/ledger/run.py

bench-instructions: ## what money and limits add to a request, in instructions of callgrind (about ten minutes)
	@dev/build-release.sh
	@dev/install-dependencies.sh bench
	@python3 Benchmarks/instructions/run.py

check-budget: ## compare the instructions of a request and of a streamed chunk with their budget (about five minutes)
	@dev/build-release.sh
	@dev/install-dependencies.sh bench
	@python3 Benchmarks/instructions/budget.py

bench-tenants: ## 20,000 workspaces and 100,000 keys: start, memory, and what the check of a key costs (about six minutes)
	@dev/build-release.sh
	@dev/install-dependencies.sh bench
	@dev/install-dependencies.sh test
	@python3 Benchmarks/tenants/run.py

bench-usage: ## how long `volery usage` takes over twelve million requests (about six minutes, and 4 GiB of disk)
	@dev/build-release.sh
	@python3 Benchmarks/usage/run.py

bench-disconnect: ## measure how fast the upstream closes when a client leaves, and that a slow client costs no memory
	@dev/build-release.sh
	@python3 Benchmarks/disconnect/run.py

clean: ## remove what was built (models and data stay)
	@rm -rf .build "$(VOLERY_BUILD_DIR)" "$(VOLERY_BUILD_DIR)-profile" Benchmarks/gateway/.build
