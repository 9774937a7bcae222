# One command each. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
# What needs neither libvirt nor a guest: what is run all the time, and what takes longer.
FAST_TESTS := $(wildcard tests/unit tests/cases tests/property)
FAKE_TESTS := $(wildcard tests/crash tests/contract)
# Real daemons and guests: the tests of one file in order, two files at a time, on this machine's one libvirt. What takes
# longest comes first, so that neither half waits for the other at the end.
SLOW_TESTS := $(wildcard tests/boot tests/live tests/contract tests/crash)

.PHONY: help setup image probe demo demo-clean format check fast-tests fake-tests slow-tests test bench

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what is missing, make .venv, start libvirt
	@scripts/setup

image: setup ## Build the Debian 12 image of the demo and the tests, once
	@scripts/build-image

probe: setup ## Build the probe guest of the tests, once
	@scripts/build-probe

demo: ## From nothing to two running guests
	@scripts/demo

demo-clean: ## Remove all that the demo made
	@scripts/demo-clean

format: setup ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

check: setup ## Format, lint, types, layers and the quick tests, which need no libvirt
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory fast-tests

fast-tests:
	$(PYTEST) -n 2 -q -m 'not libvirt and not guest' $(FAST_TESTS)

fake-tests:
	$(PYTEST) -n 2 -q -m 'not libvirt and not guest' $(FAKE_TESTS)

slow-tests: image probe
	$(PYTEST) -n 2 --dist loadfile --no-loadscope-reorder -q --durations=10 -m 'libvirt or guest' $(SLOW_TESTS)

test: check fake-tests slow-tests ## Everything: check, then the tests on the real libvirt and in real guests

bench: image ## Measure the speed against bare scripts
	$(BIN)/python benchmarks/run.py
