# `make help` explains every target. Everything is installed into .venv from requirements/*.lock.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

VENV := .venv
BIN := $(VENV)/bin
# The first suitable Python on the PATH; PYTHON=… chooses another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	2>/dev/null && command -v $$p && break; done)
EXTRAS ?=
DS ?= breast_cancer
HOST ?= 127.0.0.1
PORT ?= 8000
WORKERS ?= 1
ARGS ?=
TRAIN := $(BIN)/python -m src.train

# EXTRAS=[dev,api]: one lock file each, after base.lock, which every run needs.
comma := ,
LOCKS := base $(subst $(comma), ,$(patsubst [%],%,$(strip $(EXTRAS))))

# Two installers at once would break .venv.
.NOTPARALLEL:

.PHONY: help
help: ## show this page
	@printf 'usage: make TARGET [DS=adult] [ARGS="key=value …"]\n\n'
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  %-13s %s\n", $$1, $$2}'

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo 'error: no Python 3.11, 3.12 or 3.13 with venv on the PATH; install one (Debian: python3 python3-venv), or set PYTHON=/path/to/python' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# The locks are complete (tests/test_locks.py), so nothing is resolved and nothing else is fetched:
# pip would resolve extras such as pydantic[email] anew, and refuse a release that is not locked.
# Python compiles what is imported; pip would compile everything, which takes most of its time. So
# Python must keep what it compiled, or each start of a command would take seconds longer.
unexport PYTHONDONTWRITEBYTECODE
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
	--no-build-isolation --use-pep517 --no-compile

# A stamp per lock file: installed once, again when the lock changes. The build tools come first.
$(VENV)/.installed-%: requirements/%.lock | $(VENV)/.installed-build
	@echo "installing $< into $(VENV)"
	@$(PIP_INSTALL) --require-hashes -r $<
	@touch $@

$(VENV)/.installed-build: requirements/build.lock | $(BIN)/python
	@$(PIP_INSTALL) --require-hashes -r $<
	@touch $@

# Clients of the service that need other versions than ours, and that only tests run: an environment
# each, in which the project is not.
APART := kserve mlserver triton

$(VENV)/apart/%/.installed: requirements/%.lock requirements/build.lock | $(BIN)/python
	@echo "installing $< into $(@D)"
	@$(BIN)/python -m venv $(@D)
	@$(patsubst $(BIN)/%,$(@D)/bin/%,$(PIP_INSTALL)) --require-hashes -r requirements/build.lock
	@$(patsubst $(BIN)/%,$(@D)/bin/%,$(PIP_INSTALL)) --require-hashes -r $<
	@touch $@

# The project itself, editable. The import compiles what a run needs.
$(VENV)/.installed-project: pyproject.toml | $(VENV)/.installed-base
	@$(PIP_INSTALL) --editable .
	@$(BIN)/python -c 'import tabproof.experiment'
	@touch $@

.PHONY: init
init: $(foreach lock,$(LOCKS),$(VENV)/.installed-$(lock)) $(VENV)/.installed-project ## create .venv; EXTRAS=[dev] adds the packages for tests

.PHONY: envinfo
envinfo: init ## print the versions of Python and the main libraries
	@$(BIN)/python -c 'import platform, sklearn, pandas; print("py", platform.python_version(), "sklearn", sklearn.__version__, "pandas", pandas.__version__)'

.PHONY: train
train: init ## train breast_cancer with search=fast, in seconds
	@$(TRAIN) search=fast $(ARGS)
	@echo
	@echo "The run is in outputs/$$(readlink outputs/latest)"
	@echo "Look at it:   outputs/latest/report.html"
	@echo "Type next:    make train-full DS=credit-g   or   make api, which serves it"
	@echo "Your table:   $(TRAIN) dataset.path=my.csv dataset.target=COLUMN"

.PHONY: train-fast
train-fast: init ## search=fast on DS (breast_cancer, wine, adult, credit-g)
	@$(TRAIN) dataset=$(DS) search=fast $(ARGS)

.PHONY: train-full
train-full: init ## search=full on DS
	@$(TRAIN) dataset=$(DS) search=full $(ARGS)

# The image starts the same command.
SERVICE := $(BIN)/python -m api --host $(HOST) --port $(PORT) --workers $(WORKERS)

# PLACE: outputs, or the directory of one sweep. make exits with 2 for every failure: scripts that
# distinguish 1 (some failed) from 2 (not finished) call python -m src.runs check.
PLACE ?= outputs

.PHONY: check
check: init ## check that runs are complete, one line per dataset; PLACE=a sweep's directory
	@$(BIN)/python -m src.runs check "$(PLACE)"

.PHONY: report
report: init ## a markdown table of the newest runs; PLACE=a sweep's directory
	@$(BIN)/python -m src.runs report "$(PLACE)"

.PHONY: api
api: init $(VENV)/.installed-api ## serve the promoted models, or the newest run; HOST=0.0.0.0 PORT=8000 WORKERS=1
	@exec $(SERVICE)

.PHONY: api-bg
api-bg: init $(VENV)/.installed-api ## the same in the background, with its log in logs/api.log
	@mkdir -p logs
	@if [ -f logs/api.pid ] && kill -0 "$$(cat logs/api.pid)" 2>/dev/null; then \
		echo "already running as process $$(cat logs/api.pid); make api-stop stops it"; exit 1; fi
	@nohup $(SERVICE) >> logs/api.log 2>&1 < /dev/null & echo $$! > logs/api.pid
	@pid=$$(cat logs/api.pid); for i in $$(seq 150); do \
		kill -0 $$pid 2>/dev/null || break; \
		if $(BIN)/python -c 'import sys, urllib.request as u; u.urlopen(sys.argv[1])' \
			http://$(subst 0.0.0.0,127.0.0.1,$(HOST)):$(PORT)/health 2>/dev/null; then \
			sleep 0.3; kill -0 $$pid 2>/dev/null || break; \
			echo "http://$(subst 0.0.0.0,127.0.0.1,$(HOST)):$(PORT)/docs   log: logs/api.log   stop: make api-stop"; \
			exit 0; fi; sleep 0.1; done; \
	echo 'error: it did not start; the end of logs/api.log:' >&2; tail -n 5 logs/api.log >&2; \
	kill $$pid 2>/dev/null; rm -f logs/api.pid; exit 1

.PHONY: api-stop
api-stop: ## stop the service of api-bg after it has answered its open requests
	@if [ -f logs/api.pid ] && kill "$$(cat logs/api.pid)" 2>/dev/null; then \
		while kill -0 "$$(cat logs/api.pid)" 2>/dev/null; do sleep 0.1; done; echo stopped; \
	else echo 'not running'; fi; rm -f logs/api.pid

# What checks and builds the scripts of the pages, where there is node; tests skip it elsewhere.
WEB := src/tabproof/report/web
NODE_MODULES := $(WEB)/node_modules/.package-lock.json

$(NODE_MODULES): $(WEB)/package-lock.json
	@echo "installing $< into $(@D)"
	@npm ci --prefix $(WEB) --silent
	@touch $@

.PHONY: web
web: $(NODE_MODULES) ## build the scripts of the pages into src/tabproof/report/web/built/; needs node
	@node $(WEB)/node_modules/typescript/bin/tsc --project $(WEB)
	@node $(WEB)/build.js

# Tests need every library that conf/ offers.
TESTED := init $(foreach lock,dev api catboost clients dask deploy docs excel lightgbm monitor parallel remote store tpe xgboost,$(VENV)/.installed-$(lock)) $(if $(shell command -v npm),$(NODE_MODULES))

# As many tests run in parallel as there are cores; more threads would slow them down.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

.PHONY: test
test: $(TESTED) ## run the tests, in minutes
	@$(ONE_THREAD) $(BIN)/python -m pytest -n auto --dist worksteal -m "not slow" $(ARGS)

.PHONY: test-all
test-all: $(TESTED) $(foreach lock,$(APART),$(VENV)/apart/$(lock)/.installed) ## run the slow tests too
	@$(ONE_THREAD) $(BIN)/python -m pytest -n auto --dist worksteal --hypothesis-profile=thorough $(ARGS)

# DOCKER=podman works as well. PIP_CONF=… is for a package index other than the public one.
DOCKER ?= docker
IMAGE ?= mlops-api
PIP_CONF ?=
REVISION ?= $(shell git describe --always --dirty --abbrev=40 --exclude '*' 2>/dev/null || echo unknown)
VERSION ?= $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' pyproject.toml)

.PHONY: docker-build
docker-build: ## build the image that serves; for training IMAGE=mlops-train ARGS="--target train"
	@$(DOCKER) build --build-arg REVISION=$(REVISION) --build-arg VERSION=$(VERSION) \
		$(if $(PIP_CONF),--secret id=pip$(comma)src=$(PIP_CONF)) --tag $(IMAGE) $(ARGS) .

.PHONY: docker-run
docker-run: ## run it on 127.0.0.1:8000 with the promoted models; the file system is read-only
	@$(DOCKER) run --rm --publish $(HOST):$(PORT):8000 --read-only --cap-drop ALL \
		--security-opt no-new-privileges --volume "$(CURDIR)/models:/app/models:ro" \
		$(ARGS) $(IMAGE)

.PHONY: image-check
image-check: init $(VENV)/.installed-dev ## build the images and run them without a registry; needs buildah, runc, root (5 min)
	@IMAGE_CHECK=required $(BIN)/python -m pytest tests/image $(ARGS)

.PHONY: lint
lint: init $(VENV)/.installed-dev ## check style and format
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

.PHONY: types
types: init $(VENV)/.installed-dev $(VENV)/.installed-api ## check types
	@$(BIN)/mypy --num-workers auto

.PHONY: bench
bench: init $(VENV)/.installed-api ## benchmark training, serving and batch scoring (15 min)
	@$(BIN)/python -m benchmarks.train
	@$(BIN)/python -m benchmarks.serving
	@$(BIN)/python -m benchmarks.batch_scoring

.PHONY: endurance
endurance: init $(VENV)/.installed-api ## stress a running service (half an hour)
	@$(BIN)/python -m benchmarks.endurance $(ARGS)

.PHONY: docs
docs: init ## regenerate docs/configuration.md and conf/.schema/ from the schema
	@$(BIN)/python -m docs.write_configuration
	@$(BIN)/python -m src.schema --directory conf/.schema

.PHONY: docs-site
docs-site: docs $(VENV)/.installed-docs ## build the site of the documents and of the Python reference into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "site/index.html"

.PHONY: completion
completion: ## show how to enable tab completion in bash
	@echo 'source docs/completion.bash    # then: python -m src.train dataset=<Tab>'

# Locked releases are kept unless UPGRADE=--upgrade asks for newer ones.
UPGRADE ?=
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-strip-extras --quiet $(UPGRADE) --custom-compile-command "make lock"

.PHONY: lock
lock: | $(BIN)/python ## update requirements/*.lock after a change of pyproject.toml; UPGRADE=--upgrade
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv packaging
	@for lock in base api catboost dask deploy dev clients docs excel grpc lightgbm monitor parallel remote signing slurm store tpe xgboost; do \
		extra=$$([ $$lock = base ] || echo "--extra $$lock --constraint requirements/base.lock"); \
		case $$lock in clients|docs|grpc) extra="$$extra --constraint requirements/dev.lock";; esac; \
		[ $$lock != clients ] || extra="$$extra --constraint requirements/api.lock"; \
		$(COMPILE) pyproject.toml $$extra --output-file requirements/$$lock.lock; done
	@$(COMPILE) --group serve $(foreach lock,base api grpc store,--constraint requirements/$(lock).lock) \
		--output-file requirements/serve.lock
	@$(COMPILE) --group build --constraint requirements/base.lock --constraint requirements/dev.lock \
		--output-file requirements/build.lock
	@for lock in $(APART); do \
		$(COMPILE) --group $$lock --output-file requirements/$$lock.lock; done
	@$(BIN)/python requirements/write_closure.py

.PHONY: clean
clean: ## remove caches and build products; keeps runs, models and downloads
	@find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
	@rm -rf .mypy_cache .dmypy.json .pytest_cache .ruff_cache .hypothesis build dist site *.egg-info
