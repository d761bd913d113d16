# `make help` lists the targets; the text behind ## is what it prints.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
STACK := $(BIN)/python -m embedded.stack
SERVICE ?= green
MONTHS ?=
FORCE ?= false
DEEP ?= false
REPAIR ?= false
SOURCE ?= false
PLAN ?=
TRIGGER ?=
PORT ?= 6789
SECONDS ?= 60
TARGET ?=
BENCH = $(BIN)/python -m qa.benchmarks $(1) $(if $(ROWS),--rows $(ROWS)) \
  $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(CASES),--cases $(CASES)) $(if $(QUICK),--quick) \
  $(if $(AGAINST),--against "$(AGAINST)")

# SERVICE has a default for `make run`; here only what was given counts.
REBUILD = $(STACK) exec -- $(BIN)/python -m nyc_tlc.jobs.rebuild $(1) $(if $(MONTHS),--months "$(MONTHS)") \
  $(if $(filter-out file,$(origin SERVICE)),--service "$(SERVICE)") $(if $(PLAN),--plan)

export PYTHONPATH := $(CURDIR)
export PYTHONWARNINGS := ignore::FutureWarning

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/installed: requirements.lock Makefile
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed: install Python 3.11, or set PYTHON=…" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --upgrade-deps $(VENV)
	touch $@

.PHONY: setup
setup: $(VENV)/installed ## Make the virtual environment with every pinned package

.PHONY: demo
demo: $(VENV)/installed ## Load sample months into an embedded Postgres and GCS emulator, and show them
	@$(BIN)/python -m embedded.demo

.PHONY: run
run: $(VENV)/installed ## Load real months from TLC: make run SERVICE=green MONTHS=2024-01 [FORCE=true PLAN=true]
	@[ -n "$(MONTHS)" ] || { echo 'MONTHS is empty: make run SERVICE=green MONTHS=2024-01' >&2; exit 2; }
	# Empty: TLC itself, and not the sample months that the embedded stack serves.
	grep -qs '^TLC_SOURCE_URL=.' .env || export TLC_SOURCE_URL="$${TLC_SOURCE_URL:-}"
	$(STACK) exec -- $(BIN)/mage run mage_project tlc_trips \
	  --runtime-vars '{"service": "$(SERVICE)", "months": "$(MONTHS)", "force": "$(FORCE)", "plan": "$(or $(PLAN),false)"}'

.PHONY: sync
sync: $(VENV)/installed ## Load what TLC has published or revised since [PLAN=true SCOPE=all SERVICE=green]
	grep -qs '^TLC_SOURCE_URL=.' .env || export TLC_SOURCE_URL="$${TLC_SOURCE_URL:-}"
	$(STACK) exec -- $(BIN)/mage run mage_project tlc_sync --runtime-vars \
	  '{"service": "$(if $(filter-out file,$(origin SERVICE)),$(SERVICE),all)", "scope": "$(or $(SCOPE),changed)", "plan": "$(or $(PLAN),false)"}'

.PHONY: marts
marts: $(VENV)/installed ## Build the marts from the months that are loaded [FORCE=true]
	$(STACK) exec -- $(BIN)/mage run mage_project tlc_marts --runtime-vars '{"force": "$(FORCE)"}'

.PHONY: ui
ui: $(VENV)/installed ## Open the Mage UI at localhost:6789 on the same data [PORT=6789]
	@$(STACK) ui --port $(PORT)

.PHONY: env
env: ## Write .env with new secrets; keep what is set there
	@$(PYTHON) -m deploy.env_file

.PHONY: rebuild-postgres
rebuild-postgres: $(VENV)/installed ## Reload Postgres from the lake's trips/ [SERVICE=all MONTHS=… PLAN=true]
	@$(call REBUILD,postgres)

.PHONY: rebuild
rebuild: $(VENV)/installed ## Rebuild everything from the lake's raw/ [SERVICE=all MONTHS=… PLAN=true]
	@$(call REBUILD,everything)

.PHONY: audit
audit: $(VENV)/installed ## Compare every store with the others [SERVICE MONTHS DEEP=true SOURCE=true REPAIR=true]
	$(STACK) exec -- $(BIN)/mage run mage_project lake_audit --runtime-vars \
	  '{"service": "$(if $(filter-out file,$(origin SERVICE)),$(SERVICE),all)", "months": "$(MONTHS)", "deep": "$(DEEP)", "source": "$(SOURCE)", "repair": "$(REPAIR)"}'

.PHONY: report
report: $(VENV)/installed ## Download and open the report of the last audit
	@$(STACK) exec -- $(BIN)/python -m nyc_tlc.jobs.audit

.PHONY: schedules
schedules: $(VENV)/installed ## List the triggers of the running Mage [MAGE_URL=http://…]
	@$(STACK) exec -- $(BIN)/python -m mage_server.triggers list

.PHONY: schedule-on
schedule-on: $(VENV)/installed ## Switch a trigger on: make schedule-on TRIGGER=daily_sync
	@$(STACK) exec -- $(BIN)/python -m mage_server.triggers on "$(TRIGGER)"

.PHONY: schedule-off
schedule-off: $(VENV)/installed ## Switch a trigger off
	@$(STACK) exec -- $(BIN)/python -m mage_server.triggers off "$(TRIGGER)"

.PHONY: trigger-token
trigger-token: $(VENV)/installed ## Make a new token for an API trigger and print the URL to call
	@$(STACK) exec -- $(BIN)/python -m mage_server.triggers token "$(TRIGGER)"

.PHONY: psql
psql: $(VENV)/installed ## Open a SQL prompt on the embedded Postgres
	@$(STACK) psql

.PHONY: gcs-setup
gcs-setup: $(VENV)/installed ## Show the lifecycle rules that the lake's bucket needs [APPLY=true]
	@$(STACK) exec -- $(BIN)/python -m nyc_tlc.jobs.bucket $(if $(filter true,$(APPLY)),--apply)

.PHONY: status
status: $(VENV)/installed ## Show which parts of the embedded stack run
	@$(STACK) status

.PHONY: stop
stop: $(VENV)/installed ## Stop the embedded stack; its data stay in .local/
	@$(STACK) stop

.PHONY: clean
clean: ## Show what `make clean-local` would delete
	@du -sh .local .venv 2>/dev/null || echo "nothing to delete"

.PHONY: clean-local
clean-local: ## Stop the embedded stack and delete its data
	@[ ! -x $(BIN)/python ] || $(STACK) stop
	home="$$(cat .local/postgres-home 2>/dev/null || true)"
	case "$$home" in */nyc-tlc-postgres-*) rm -rf "$$home" ;; esac # where root's checkout is closed to others
	rm -rf .local

.PHONY: test
test: $(VENV)/installed ## Run every test; starts what it needs by itself
	$(BIN)/pytest --numprocesses 2 --dist loadfile

.PHONY: test-unit
test-unit: $(VENV)/installed ## Run the tests that need no server (seconds)
	$(BIN)/pytest tests/unit tests/project -m "not integration"

.PHONY: test-containers
test-containers: $(VENV)/installed ## Build the images, run docker-compose.yml and try it (ten minutes; needs Docker)
	$(BIN)/pytest tests/containers -m containers

.PHONY: azurite
azurite: $(VENV)/installed ## Install Microsoft's emulator of Azure, for the tests that need it (npm)
	$(BIN)/python -m tests.ports.lake.object_stores

.PHONY: test-cloud
test-cloud: $(VENV)/installed ## Test against real stores: make test-cloud TLC_TEST_LAKE_URL=gs://… (docs/lake.md)
	$(BIN)/pytest -m cloud tests/ports

.PHONY: check
check: $(VENV)/installed ## Lint, types, layers, SQL in every dialect, no secret in git
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest --quiet tests/project/test_sql_files.py tests/project/test_no_secret_is_committed.py

.PHONY: audit-dependencies
audit-dependencies: $(VENV)/installed ## Ask the advisory databases about every pinned package (needs the internet)
	$(BIN)/uv tool run --quiet --from "pip-audit==2.10.1" pip-audit --requirement requirements.txt \
	  --no-deps --disable-pip --strict

.PHONY: sbom
sbom: $(VENV)/installed ## Write sbom.cdx.json, the bill of materials (CycloneDX)
	$(BIN)/uv tool run --quiet --from "cyclonedx-bom==7.5.0" cyclonedx-py requirements requirements.txt \
	  --pyproject pyproject.toml --output-reproducible --output-file sbom.cdx.json

.PHONY: bench
bench: $(VENV)/installed ## Measure one month against the floor and peers [ROWS ROUNDS CASES QUICK=1 AGAINST=checkout]
	@$(call BENCH,compare)

.PHONY: bench-scale
bench-scale: $(VENV)/installed ## Measure rows against time and memory
	@$(call BENCH,scale)

.PHONY: bench-partitions
bench-partitions: $(VENV)/installed ## Measure the load against the months present
	@$(call BENCH,partitions)

.PHONY: bench-workers
bench-workers: $(VENV)/installed ## Measure twelve months in one run against one
	@$(call BENCH,workers)

.PHONY: bench-settings
bench-settings: $(VENV)/installed ## Measure what each setting of the server does for the load
	@$(call BENCH,settings)

.PHONY: chaos
chaos: $(VENV)/installed ## Kill runs, break servers, crowd the stores; writes docs/reliability.md (two hours) [ARGS="kills --quick"]
	@$(BIN)/python -m qa.chaos $(ARGS)

.PHONY: fuzz
fuzz: $(VENV)/installed ## Fuzz what reads bytes from outside; Linux only [SECONDS=60 TARGET=csv_file]
	@$(BIN)/python -m qa.fuzz --seconds "$(SECONDS)" $(if $(TARGET),--target "$(TARGET)")

.PHONY: mutation
mutation: $(VENV)/installed ## Change nyc_tlc/core in 6,000 ways: which does no unit test notice? (half an hour) [MUTANTS=nyc_tlc.core.month.*]
	rm -rf .local/mutation
	mkdir -p .local/mutation/mutants
	# mutmut changes a copy: of what is committed, and of what is changed in files that git knows.
	tree="$$(git stash create)"
	git archive "$${tree:-HEAD}" | tee >(tar x -C .local/mutation) | tar x -C .local/mutation/mutants
	cd .local/mutation
	export VIRTUAL_ENV="$(abspath $(VENV))" HYPOTHESIS_PROFILE=mutation PYTHONPATH=
	export TLC_SHARED="$${TLC_SHARED:-$(CURDIR)/../shared/tlc}"
	mutmut="nice $(abspath $(BIN))/uv run --quiet --no-project --active --with-requirements qa/mutmut.txt"
	$$mutmut mutmut run $(if $(MUTANTS),"$(MUTANTS)")
	$$mutmut python -m qa.mutation $(if $(MUTANTS),"$(MUTANTS)")

.PHONY: format
format: $(VENV)/installed ## Format the code and sort its imports
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: docs
docs: $(VENV)/installed ## Write the generated pages of docs/ from the code
	$(BIN)/python -m docs.generate.data_dictionary > docs/data-dictionary.md
	$(BIN)/python -m docs.generate.configuration > docs/configuration.md

.PHONY: audit-picture
audit-picture: $(VENV)/installed ## Redraw docs/lake-audit.png: sample months, an audit, Chromium
	$(BIN)/python -m embedded.sample_audit docs/lake-audit.png

LOCKS := requirements.lock requirements.txt embedded/servers/bigquery_emulator.txt qa/fuzz/atheris.txt qa/mutmut.txt

.PHONY: lock
lock: ## Resolve pyproject.toml into requirements.lock and requirements.txt
	@export UV_CUSTOM_COMPILE_COMMAND="make lock"
	compile="$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate"
	$$compile --all-extras --generate-hashes pyproject.toml -o requirements.lock
	$$compile pyproject.toml --constraint requirements.lock -o requirements.txt
	$$compile --generate-hashes embedded/servers/bigquery_emulator.in -o embedded/servers/bigquery_emulator.txt
	$$compile --generate-hashes qa/fuzz/atheris.in -o qa/fuzz/atheris.txt
	$$compile --generate-hashes qa/mutmut.in -o qa/mutmut.txt
	# uv repeats the project's own bound of Python on every line.
	sed -i.bak -E "s/python_full_version < '3.13' and //; s/ (;|and) python_full_version < '3.13'//" $(LOCKS)
	rm $(addsuffix .bak,$(LOCKS))
