# Comitia: every command of the house. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# Python 3.11, or else one that scripts/check_platform.py accepts.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3 || echo python3.11)
VENV := .venv
BIN := $(VENV)/bin
EXPORT_VENV := .venv-export
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check

PROJECTS := shared cli services/router services/agent services/aggregator services/learner
PYPROJECTS := $(PROJECTS:%=%/pyproject.toml)
CODE := $(PROJECTS) scripts tests $(wildcard examples bench observability)
PROTOS := $(sort $(wildcard proto/comitia/v1/*.proto))
# Options of `make demo`, for example: make demo DEMO="--data reviews.jsonl"
DEMO ?=

.PHONY: help
help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 15

# --- environments -----------------------------------------------------------------------------

$(BIN)/python:
	@command -v "$(PYTHON)" >/dev/null || { echo "no $(PYTHON) found: install Python 3.11, or name one: make PYTHON=/path/to/python3.11 ..." >&2; exit 2; }
	@"$(PYTHON)" scripts/check_platform.py
	@"$(PYTHON)" -m venv $(VENV) || { echo "$(PYTHON) cannot make an environment: on Debian and Ubuntu install its package python3-venv" >&2; rm -rf $(VENV); exit 2; }

# A stamp holds what a lock installed. The development lock holds everything of the run lock at the same versions.
$(VENV)/.run: requirements/run.lock $(PYPROJECTS) | $(BIN)/python
	@echo "installing what Comitia runs on into $(VENV)"
	@$(BIN)/python $(PIP_INSTALL) --require-hashes -r requirements/run.lock
	@$(BIN)/python $(PIP_INSTALL) --no-deps --no-build-isolation $(PROJECTS:%=-e %)
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(PYPROJECTS) | $(BIN)/python
	@echo "installing what Comitia is developed with into $(VENV)"
	@$(BIN)/python $(PIP_INSTALL) --require-hashes -r requirements/dev.lock
	@$(BIN)/python $(PIP_INSTALL) --no-deps --no-build-isolation $(PROJECTS:%=-e %)
	@touch $(VENV)/.run $@

$(EXPORT_VENV)/.export: requirements/export.lock | $(VENV)/.dev
	@echo "installing torch and optimum into $(EXPORT_VENV) (about 2.5 GB to download on Linux x86-64)"
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(EXPORT_VENV)
	@$(BIN)/uv pip install --quiet --python $(EXPORT_VENV) --no-deps --require-hashes -r requirements/export.lock
	@touch $@

.PHONY: setup
setup: $(VENV)/.dev ## make .venv with everything for development

UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
	--no-header --python-version 3.11 $(if $(UPGRADE),--upgrade)
# What an image has: never the embedded broker; always the tokens of Amazon MSK.
IMAGE_LOCK = $(UV_COMPILE) --excludes requirements/own.txt -c requirements/dev.lock --extra msk shared/pyproject.toml
FROM_PROJECTS = --excludes requirements/own.txt --extra build --extra broker $(PYPROJECTS)

.PHONY: lock
lock: | $(VENV)/.dev ## write requirements/*.lock again (UPGRADE=1: newest versions)
	@$(UV_COMPILE) $(FROM_PROJECTS) --extra cpu requirements/dev.in -o requirements/dev.lock
	@$(UV_COMPILE) $(FROM_PROJECTS) --extra cpu -c requirements/dev.lock requirements/run.in -o requirements/run.lock
	@$(UV_COMPILE) $(FROM_PROJECTS) --extra gpu -c requirements/dev.lock requirements/gpu.in -o requirements/gpu.lock
	@$(UV_COMPILE) --excludes requirements/export-excludes.txt requirements/export.in -o requirements/export.lock
	@$(UV_COMPILE) -c requirements/dev.lock requirements/image-build.in -o requirements/image-build.lock
	@$(UV_COMPILE) requirements/image-sbom.in -o requirements/image-sbom.lock
	@$(IMAGE_LOCK) services/router/pyproject.toml services/aggregator/pyproject.toml services/learner/pyproject.toml -o requirements/image-service.lock
	@$(IMAGE_LOCK) --extra cpu services/agent/pyproject.toml -o requirements/image-agent.lock
	@$(IMAGE_LOCK) --extra gpu services/agent/pyproject.toml -o requirements/image-agent-cuda.lock
	@$(IMAGE_LOCK) --extra build cli/pyproject.toml -o requirements/image-cli.lock

# --- checks -----------------------------------------------------------------------------------

.PHONY: fmt
fmt: $(VENV)/.dev ## format the code and mend what can be mended
	@$(BIN)/ruff check --quiet --fix-only $(CODE)
	@$(BIN)/ruff format --quiet $(CODE)

.PHONY: lint
lint: $(VENV)/.dev ## style, and who may import whom
	@$(BIN)/ruff check --quiet $(CODE)
	@$(BIN)/ruff format --quiet --diff $(CODE)
	@report=$$($(BIN)/lint-imports --no-logo --no-cache) || { echo "$$report"; exit 1; }

.PHONY: types
types: $(VENV)/.dev ## mypy --strict
	@$(BIN)/mypy $(CODE)

.PHONY: test
test: lint types proto-check ## all checks and tests but the export's
	@$(BIN)/pytest $(PYTEST)

# Seeds of `make sim`, messages of `make fuzz`, processes of both.
SEEDS ?= 10000
N ?= 1000000
JOBS ?= 2

.PHONY: sim
sim: $(VENV)/.dev ## the services' loops under seeded faults in virtual time (SEEDS=10000)
	@$(BIN)/python -m tests.sim.run --seeds $(SEEDS) --jobs $(JOBS)

.PHONY: fuzz
fuzz: $(VENV)/.dev ## mutated messages through every decoder and handler (N=1000000)
	@$(BIN)/python -m tests.sim.fuzz --messages $(N) --jobs $(JOBS)

.PHONY: test-export
test-export: $(VENV)/.dev $(EXPORT_VENV)/.export ## our graphs against optimum's exports
	@COMITIA_EXPORT_PYTHON=$(CURDIR)/$(EXPORT_VENV)/bin/python $(BIN)/pytest tests/export $(PYTEST)

# Options of `make chaos`, for example: make chaos CHAOS="--seed 7 --json chaos.json"
CHAOS ?=

.PHONY: chaos
chaos: $(VENV)/.dev ## real services on three brokers under 300 faults, then an independent check (20 minutes)
	@$(BIN)/python -m tests.chaos.campaign $(CHAOS)

.PHONY: chaos-quick
chaos-quick: $(VENV)/.dev ## one short run of it (3 minutes)
	@$(BIN)/python -m tests.chaos.harness --seed 1 --tasks 4000 --faults 40 --seconds 70

.PHONY: chaos-sabotage
chaos-sabotage: $(VENV)/.dev ## nine ways to break the promise, and what the checker says of each (4 minutes)
	@$(BIN)/python -m tests.chaos.aimed $(SABOTAGE)

# --- contracts --------------------------------------------------------------------------------

.PHONY: proto
proto: $(VENV)/.dev ## generate shared/comitia/v1 from proto/
	@rm -f shared/comitia/v1/*_pb2.py shared/comitia/v1/*_pb2.pyi
	@$(BIN)/python -m grpc_tools.protoc -Iproto --python_out=shared --pyi_out=shared $(PROTOS)

.PHONY: proto-check
proto-check: $(VENV)/.dev ## lint the contracts, refuse breaking changes and drift of the generated code
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/proto_check.sh

.PHONY: proto-release
proto-release: $(VENV)/.dev ## record today's contracts as what later ones must not break
	@$(BIN)/buf build proto -o proto/released.binpb

# --- images -----------------------------------------------------------------------------------

# make images IMAGES="router cli" builds some; agent-cuda (several GB) only when it is named.
IMAGES ?= router aggregator learner agent cli
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' shared/pyproject.toml)
# For people behind a mirror or a proxy: make images BUILD="--secret id=pip,src=$$HOME/.config/pip/pip.conf"
BUILD ?=

.PHONY: images
images: ## build the images of the services and the command line (IMAGES="router cli")
	@for image in $(IMAGES); do \
	    name=comitia/$${image%-cuda}:$(VERSION); case $$image in *-cuda) name=$$name-cuda;; esac; \
	    docker build --quiet --target $$image --tag $$name --build-arg VERSION=$(VERSION) \
	        --build-arg REVISION=$$(git rev-parse --short HEAD) $(BUILD) . >/dev/null; \
	    docker image inspect --format "$$name {{.Size}} bytes" $$name; \
	done

.PHONY: sbom
sbom: ## list what is in each image, as CycloneDX, in sbom/ (IMAGES="router cli")
	@for image in $(IMAGES); do \
	    docker build --quiet --target sbom --build-arg SUBJECT=$$image --output sbom/$$image $(BUILD) .; \
	    ls sbom/$$image/*.json; \
	done

.PHONY: image-times
image-times: $(VENV)/.dev ## sizes of images and start times of the running compose project
	@$(BIN)/python scripts/image_times.py

.PHONY: hadolint
hadolint: $(VENV)/.dev ## look over the Dockerfile
	@$(BIN)/hadolint Dockerfile

# --- watching ---------------------------------------------------------------------------------

.PHONY: dashboards
dashboards: $(VENV)/.dev ## generate charts/comitia/dashboards from observability/
	@$(BIN)/python -m observability

.PHONY: docs-metrics
docs-metrics: $(VENV)/.dev ## write docs/metrics.md from the catalogue of metrics
	@$(BIN)/python scripts/metrics_page.py

.PHONY: charts-golden
charts-golden: $(VENV)/.dev ## record what the chart renders to, in tests/charts/golden (needs helm)
	@$(BIN)/python -m tests.charts.goldens

# --- running ----------------------------------------------------------------------------------

.PHONY: demo
demo: $(VENV)/.run ## a panel at work on real inputs, from nothing
	@$(BIN)/comitia demo $(DEMO)

.PHONY: up
up: $(VENV)/.run ## start Apache Kafka and all services, and leave them running
	@$(BIN)/comitia up --detach

.PHONY: down
down: $(VENV)/.run ## stop what `make up` started
	@$(BIN)/comitia down

.PHONY: clean
clean: ## remove environments and caches of this tree (`comitia down --purge` removes state and models)
	@rm -rf $(VENV) $(EXPORT_VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find $(PROJECTS) scripts tests -name __pycache__ -type d -prune -exec rm -rf {} +
