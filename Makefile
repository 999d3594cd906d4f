# SPDX-License-Identifier: GPL-3.0-or-later
# make demo   the tour: real hosts, the main work, in words        make check  lint, types, contracts, pure tests (< 1 min)
# make test   everything a fresh machine must pass                 make bench  the figures of docs/performance.md
# make test-full  the same, then what takes long: real Redmine and RT, every fault scene, every crash
# make lab    the lab alone, for work by hand (make lab-down ends it)
SHELL := /bin/sh
.DEFAULT_GOAL := help
BIN := .venv/bin
export ANSIBLE_HOME := $(CURDIR)/.ansible
# Images for containers often set it; then each of thousands of processes compiles what it imports.
export PYTHONDONTWRITEBYTECODE :=
PYTEST := $(BIN)/python -m pytest

.PHONY: help dev check lint types contracts content collect units units-content units-python test test-full demo lab lab-down bench docs changelog clean

help:
	@sed -n 's/^# make/make/p' Makefile

dev:
	@tools/bootstrap

check: dev
	@$(MAKE) --no-print-directory -j -O units content types lint contracts

# yamllint takes seconds, so what it found good is not looked at again until a file of it changes.
lint:
	@$(BIN)/ruff check -q .
	@$(BIN)/ruff format -q --check .
	@want=$$({ $(BIN)/yamllint --list-files . && echo .yamllint && echo uv.lock; } | tr '\n' '\0' | \
		LC_ALL=C sort -zu | xargs -0 cksum | cksum) && \
	[ "$$(cat .cache/linted-yaml 2>/dev/null)" = "$$want" ] || { \
		$(BIN)/yamllint -s . && mkdir -p .cache && printf '%s' "$$want" >.cache/linted-yaml; }

types:
	@$(BIN)/mypy

contracts:
	@$(BIN)/lint-imports --no-cache

content:
	@tools/lint-content
	@$(BIN)/python tools/make_docs.py --check

# Once before several workers do the same: pytest keeps what it made of the files.
collect:
	@out=$$($(PYTEST) -qqq --collect-only tests 2>&1) || { echo "$$out"; exit 1; }

# Two halves, each in a process of its own: each loads only what it needs, and they have nothing to
# tell each other. A cache they would take from each other, and these plugins nobody here uses.
PURE := STOREWARDEN_QUICK_TESTS=1 $(PYTEST) -q -m "not slow" -p no:xdist -p no:schemathesis -p no:cacheprovider

units: units-content units-python

units-content:
	@$(PURE) tests/content tests/unit/plugins

units-python:
	@$(PURE) tests/unit --ignore=tests/unit/plugins

test: dev
	@tools/prepare-lab
	@$(MAKE) --no-print-directory -j -O content types collect lint contracts
	@STOREWARDEN_SECOND_TRY=1 $(PYTEST) -n 3 --dist loadfile --no-loadscope-reorder tests

test-full: test
	@tools/prepare-full
	@$(PYTEST) -m full tests

demo: dev
	@tools/demo $(CHAPTER)

lab: dev
	@$(BIN)/python -m tests.lab up

lab-down: dev
	@$(BIN)/python -m tests.lab down

bench: dev
	@tools/prepare-lab
	@$(BIN)/python -m tests.bench $(PARTS)

docs: dev
	@$(BIN)/python tools/make_docs.py

changelog: dev
	@$(BIN)/antsibull-changelog release

clean:
	rm -rf .venv .cache .ansible .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
