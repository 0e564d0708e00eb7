# Two commands are enough: `make demo` shows everything at work, `make test` checks it.
# ARGS passes options on: make demo ARGS="--once", make test ARGS="tests/runtime -k kill".

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help install demo up down status test check format lock clean

STAMP := .venv/.installed

help: ## Show what there is
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(STAMP) ## Set up the environment in .venv (happens by itself)

# Runs again only when the lock or the package's own table of contents changed.
$(STAMP): requirements.lock pyproject.toml scripts/install.sh
	@scripts/install.sh

demo: $(STAMP) ## Start everything, fill it, run the loop, report, and keep serving until Ctrl-C
	@.venv/bin/lakefront demo $(ARGS)

up: $(STAMP) ## Start everything and leave it running
	@.venv/bin/lakefront up $(ARGS)

down: $(STAMP) ## Stop everything
	@.venv/bin/lakefront down

status: $(STAMP) ## Show what runs
	@.venv/bin/lakefront status

test: $(STAMP) ## Run the whole test suite
	@.venv/bin/pytest -n logical --dist loadfile $(ARGS)

check: $(STAMP) ## Lint, types and import rules
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

format: $(STAMP) ## Format the code
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

lock: $(STAMP) ## Resolve the dependencies anew into requirements.lock
	@uv=$$(command -v .venv/bin/uv || command -v uv) && "$$uv" pip compile --universal --python-version 3.11 --generate-hashes --group dev \
		--no-emit-index-url --custom-compile-command "make lock" pyproject.toml -o requirements.lock

clean: ## Remove the environment; the data folder stays
	rm -rf .venv
