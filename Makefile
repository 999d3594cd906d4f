# SPDX-License-Identifier: GPL-3.0-or-later
# make demo   the tour: real hosts, the main work, in words        make check  lint, types, contracts, pure tests (< 1 min)
# make test   everything a fresh machine must pass                 make bench  the figures of docs/performance.md
# make lab    the lab alone, for work by hand (make lab-down ends it)
SHELL := /bin/sh
.DEFAULT_GOAL := help
BIN := .venv/bin
export ANSIBLE_HOME := $(CURDIR)/.ansible
PYTEST := $(BIN)/python -m pytest

.PHONY: help dev check lint types contracts content units test test-full demo lab lab-down bench docs changelog clean

help:
	@sed -n 's/^# make/make/p' Makefile

dev:
	@tools/bootstrap

check: dev lint types contracts content units

lint:
	@$(BIN)/ruff check -q .
	@$(BIN)/ruff format -q --check .
	@$(BIN)/yamllint -s .

types:
	@$(BIN)/mypy

contracts:
	@$(BIN)/lint-imports --no-cache

content:
	@tools/lint-content
	@$(BIN)/python tools/make_docs.py --check

units:
	@STOREWARDEN_QUICK_TESTS=1 $(PYTEST) -q -n 2 -m "not slow" tests/unit tests/content

test: dev
	@tools/prepare-lab
	@$(MAKE) --no-print-directory lint types contracts content
	@$(PYTEST) -n 3 --dist loadfile tests

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
