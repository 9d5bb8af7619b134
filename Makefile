# Two promises: `make demo` and `make test` work on a fresh machine with Python 3.11 or newer.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SOURCES := antiphon components tasks flows reports benchmarks tests examples docs/build.py

.PHONY: help venv system demo test test-portable check fix docs pages clean
.DEFAULT_GOAL := help

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

venv: $(STAMP) ## Create .venv with everything that the project needs

$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null 2>&1 && p=$(PYTHON) || p=python3; \
	  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Antiphon needs Python 3.11 or newer; found: $$($$p --version). Set PYTHON=/path/to/python3.11." >&2; exit 1; }; \
	  test -x $(BIN)/python || $$p -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@# a broken download starts again from its beginning; what had come is in pip's cache
	@for try in 1 2 3; do \
	  $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]' && exit 0; \
	  echo "the installation failed (try $$try of 3)" >&2; sleep $$((5 * try)); \
	done; exit 1
	@# meeteval has no wheels: without a C++ compiler the tests of cpWER skip
	@command -v c++ >/dev/null 2>&1 && $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[meetings]' \
	  || echo "no C++ compiler here, or meeteval did not build: the tests of cpWER will skip" >&2
	@touch $@

system: ## Install headless Chromium for the browser tests (Debian/Ubuntu, as root); elsewhere they skip
	@if command -v chromium >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; \
	else echo "no Chromium here: the browser tests will skip" >&2; fi

demo: venv ## Run the cascade (speech -> transcript -> translation -> scores) on the sample set
	$(BIN)/antiphon run cascade --data sample

test: venv system ## Run the test suite
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart=0

test-portable: venv ## Run the core of the suite as other processors do, and compare what they compute: oneDNN, no AVX-512, plain torch
	$(BIN)/python -m tests.backends -n 2 --dist loadfile

check: venv ## Lint, format and type checks; edits nothing
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy

fix: venv ## Apply the linter's and the formatter's repairs
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

docs: venv ## Write the pages and the reference of all modules, with a search, into docs/reference
	$(BIN)/python docs/build.py

pages: venv ## Write the pages of docs/results from their stored outputs; no model runs
	$(BIN)/python -m benchmarks.pages

clean: ## Remove the environment and caches (the store stays)
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache *.egg-info
