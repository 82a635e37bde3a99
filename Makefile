# `make help` explains every target. Everything lives in .venv, installed from requirements/*.lock.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

VENV := .venv
BIN := $(VENV)/bin
# The first Python on the PATH that will do; PYTHON=… chooses another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	2>/dev/null && command -v $$p && break; done)
EXTRAS ?=
DS ?= breast_cancer
ARGS ?=
TRAIN := $(BIN)/python -m src.train

# EXTRAS=[dev,api] -> one lock file each; the first holds what every run needs.
comma := ,
LOCKS := base $(subst $(comma), ,$(patsubst [%],%,$(strip $(EXTRAS))))

# Two installers at once would break .venv.
.NOTPARALLEL:

.PHONY: help
help: ## show this page
	@printf 'usage: make TARGET [DS=adult] [ARGS="key=value …"]\n\n'
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  %-12s %s\n", $$1, $$2}'

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo 'error: no Python 3.11, 3.12 or 3.13 with venv on the PATH; install one (Debian: python3 python3-venv), or say PYTHON=/path/to/python' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# A stamp per lock file: installed once, again when the lock changes.
$(VENV)/.installed-%: requirements/%.lock | $(BIN)/python
	@echo "installing $< into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.PHONY: init
init: $(foreach lock,$(LOCKS),$(VENV)/.installed-$(lock)) ## make .venv; EXTRAS=[dev] adds what tests need

.PHONY: envinfo
envinfo: init ## print the versions in use
	@$(BIN)/python -c 'import platform, sklearn, pandas; print("py", platform.python_version(), "sklearn", sklearn.__version__, "pandas", pandas.__version__)'

.PHONY: train
train: init ## train breast_cancer with search=fast, in seconds
	@$(TRAIN) search=fast $(ARGS)
	@echo
	@echo "The run lies in outputs/$$(readlink outputs/latest)"
	@echo "Look at it:   outputs/latest/plots/roc.png, outputs/latest/summary.json"
	@echo "Type next:    make train-full DS=credit-g"
	@echo "Your table:   $(TRAIN) dataset=file dataset.path=my.csv dataset.target=COLUMN"

.PHONY: train-fast
train-fast: init ## search=fast on DS (breast_cancer, wine, adult, credit-g)
	@$(TRAIN) dataset=$(DS) search=fast $(ARGS)

.PHONY: train-full
train-full: init ## search=full on DS
	@$(TRAIN) dataset=$(DS) search=full $(ARGS)

.PHONY: test
test: $(VENV)/.installed-dev $(VENV)/.installed-api ## pass the tests, in minutes
	@$(BIN)/python -m pytest -m "not slow" $(ARGS)

.PHONY: test-all
test-all: $(VENV)/.installed-dev $(VENV)/.installed-api ## pass the slow ones too
	@$(BIN)/python -m pytest $(ARGS)

.PHONY: lint
lint: $(VENV)/.installed-dev ## check style and form
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

.PHONY: types
types: $(VENV)/.installed-dev $(VENV)/.installed-api ## check types
	@$(BIN)/mypy

.PHONY: bench
bench: init ## measure ours beside a plain scikit-learn script
	@$(BIN)/python -m benchmarks.train $(ARGS)

.PHONY: docs
docs: init ## write docs/configuration.md anew from the schema
	@$(BIN)/python -m docs.write_configuration

.PHONY: completion
completion: ## how to get tab completion in bash
	@echo 'source docs/completion.bash    # then: python -m src.train dataset=<Tab>'

.PHONY: lock
lock: | $(BIN)/python ## resolve pyproject.toml anew into requirements/*.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@for lock in base api dev; do \
		extra=$$([ $$lock = base ] || echo "--extra $$lock --constraint requirements/base.lock"); \
		$(BIN)/uv pip compile pyproject.toml $$extra --universal --python-version 3.11 \
			--generate-hashes --no-annotate --quiet --upgrade \
			--custom-compile-command "make lock" --output-file requirements/$$lock.lock; done

.PHONY: clean
clean: ## remove caches and build products; runs, models and downloads stay
	@find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
	@rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
