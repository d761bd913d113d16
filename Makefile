# `make help` lists the targets; the text behind ## is what it prints. GNU make 3.81 (macOS) reads
# this as 4.4 does: each line of a recipe is a shell of its own, and what is longer is a program.
.DEFAULT_GOAL := help

PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
STACK := $(BIN)/python -m embedded.stack
MAGE_RUN := $(BIN)/python -m embedded.run
TRIGGERS := $(STACK) exec --no-start -- $(BIN)/python -m mage_server.triggers
NYC_TLC := $(STACK) exec -- $(BIN)/python -m nyc_tlc
PORT ?= 6789
SECONDS ?= 60

# A misspelt variable would leave the one that was meant empty: PLN=true loads everything.
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))
SETTINGS := PYTHON VENV SHELL %_PROXY %_proxy $(shell sed -n 's/^\([A-Z_]*\)=.*/\1/p' dev.env)
KNOWN := AGAINST APPLY ARGS CASES COLOR DEEP FIRST_MONTH FORCE MAGE_URL MONTH MONTHS MUTANTS \
  PIPELINE PLAN PORT QUICK REPAIR ROUNDS ROWS SCOPE SECONDS SERVICE SOURCE TARGET TRIGGER YEAR
UNKNOWN := $(filter-out $(SETTINGS) $(KNOWN),$(GIVEN))
$(if $(UNKNOWN),$(error unknown variable $(UNKNOWN): expected one of $(KNOWN), or one of dev.env. \
  Nothing was started))
# For a pipeline: what the command line gives, and of the environment these.
ours = $(foreach name,$(filter-out $(SETTINGS),$(GIVEN)) $(foreach name,$(1),$(if $(filter \
  environment,$(origin $(name))),$(name))),$(name)="$($(name))")
is_on = $(filter-out false no off 0,$(1))

BENCH = $(BIN)/python -m qa.benchmarks $(1) $(if $(ROWS),--rows $(ROWS)) \
  $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(CASES),--cases $(CASES)) $(if $(QUICK),--quick) \
  $(if $(AGAINST),--against "$(AGAINST)")

export PYTHONPATH := $(CURDIR)
export PYTHONWARNINGS := ignore::FutureWarning

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/installed: requirements.lock setup.sh
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh setup.sh

.PHONY: setup
setup: $(VENV)/installed ## Make the virtual environment with every pinned package

.PHONY: demo
demo: $(VENV)/installed ## Load sample months into an embedded Postgres and GCS emulator, and show them
	@$(BIN)/python -m embedded.demo

.PHONY: run
run: $(VENV)/installed ## Load real months from TLC: make run SERVICE=green MONTHS=2024-01 [FORCE=true PLAN=true]
	@$(MAGE_RUN) tlc_trips $(call ours,SERVICE MONTHS FORCE PLAN)

.PHONY: sync
sync: $(VENV)/installed ## Load what TLC has published or revised since [PLAN=true SCOPE=all SERVICE=green]
	@$(MAGE_RUN) tlc_sync $(call ours,SERVICE SCOPE FIRST_MONTH PLAN)

.PHONY: zones
zones: $(VENV)/installed ## Load TLC's taxi zones, the code lists and the views that name both
	@$(MAGE_RUN) tlc_zones $(call ours)

.PHONY: marts
marts: $(VENV)/installed ## Build the marts from the months that are loaded [FORCE=true]
	@$(MAGE_RUN) tlc_marts $(call ours,FORCE)

.PHONY: ui
ui: $(VENV)/installed ## Open the Mage UI at localhost:6789 on the same data [PORT=6789]
	@$(STACK) ui --port $(PORT)

.PHONY: env
env: ## Write .env with new secrets; keep what is set there
	@python=$$(PYTHON="$(PYTHON)" sh setup.sh --python) && "$$python" -m deploy.env_file

REBUILD = $(if $(MONTHS),--months "$(MONTHS)") $(if $(SERVICE),--service "$(SERVICE)") \
  $(if $(call is_on,$(PLAN)),--plan)

.PHONY: rebuild-postgres
rebuild-postgres: $(VENV)/installed ## Reload Postgres from the lake's trips/ [SERVICE=all MONTHS=… PLAN=true]
	@$(NYC_TLC) rebuild postgres $(REBUILD)

.PHONY: rebuild
rebuild: $(VENV)/installed ## Rebuild everything from the lake's raw/ [SERVICE=all MONTHS=… PLAN=true]
	@$(NYC_TLC) rebuild everything $(REBUILD)

.PHONY: audit
audit: $(VENV)/installed ## Compare every store with the others [SERVICE MONTHS DEEP=true SOURCE=true REPAIR=plan|true]
	@$(MAGE_RUN) lake_audit $(call ours,SERVICE MONTHS DEEP SOURCE REPAIR)

.PHONY: report
report: $(VENV)/installed ## Download and open the report of the last audit
	@$(NYC_TLC) report

.PHONY: schedules
schedules: $(VENV)/installed ## List the triggers of the running Mage [MAGE_URL=http://…]
	@$(TRIGGERS) list

.PHONY: schedule-on
schedule-on: $(VENV)/installed ## Switch a trigger on: make schedule-on TRIGGER=daily_sync
	@$(TRIGGERS) on "$(TRIGGER)"

.PHONY: schedule-off
schedule-off: $(VENV)/installed ## Switch a trigger off
	@$(TRIGGERS) off "$(TRIGGER)"

.PHONY: trigger-token
trigger-token: $(VENV)/installed ## Make a new token for an API trigger and print the URL to call
	@$(TRIGGERS) token "$(TRIGGER)"

.PHONY: keep-edits
keep-edits: $(VENV)/installed ## Write what Mage's pages changed of a shipped pipeline into its file [PIPELINE=tlc_trips]
	@$(BIN)/python -m mage_server.keep_edits "$(PIPELINE)"

.PHONY: psql
psql: $(VENV)/installed ## Open a SQL prompt on the embedded Postgres
	@$(STACK) psql

.PHONY: gcs-setup
gcs-setup: $(VENV)/installed ## Show the lifecycle rules that the lake's bucket needs [APPLY=true]
	@$(NYC_TLC) bucket $(if $(call is_on,$(APPLY)),--apply)

.PHONY: status
status: $(VENV)/installed ## Show which parts of the embedded stack run
	@$(STACK) status

.PHONY: stop
stop: $(VENV)/installed ## Stop the embedded stack; its data stay in .local/
	@$(STACK) stop

.PHONY: clean
clean: ## Show what `make clean-local` would delete
	@du -sh .local .venv 2>/dev/null || echo "nothing to delete"

# In .local/; what else is there is somebody's own.
MADE_HERE := atheris bench bigquery bigquery_emulator cdn demo.log fuzz gcs lock logs mage_data moto \
  mutation mutmut postgres postgres-home postgres*.password run stack.env test-servers work \
  atheris.lock bigquery_emulator.lock moto.lock mutmut.lock

.PHONY: clean-local
clean-local: ## Stop the embedded stack and delete its data
	@[ ! -x $(BIN)/python ] || $(STACK) stop
	@# Where root's checkout is closed to others, the cluster is elsewhere.
	@home="$$(cat .local/postgres-home 2>/dev/null)"; case "$$home" in */nyc-tlc-postgres-*) rm -rf "$$home" ;; esac
	@[ ! -d .local ] || { cd .local && rm -rf $(MADE_HERE); }
	@rmdir .local 2>/dev/null || [ ! -e .local ] || { echo "left in .local/, for we did not make it:"; ls -A .local; }

.PHONY: test
test: $(VENV)/installed ## Run every test; starts what it needs by itself
	$(BIN)/pytest --numprocesses 3 --dist loadfile --durations 20

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
chaos: $(VENV)/installed ## Kill runs, break servers, crowd the stores; writes docs/reliability.md (three hours) [ARGS="kills --quick"]
	@$(BIN)/python -m qa.chaos $(ARGS)

.PHONY: fuzz
fuzz: $(VENV)/installed ## Fuzz what reads bytes from outside; Linux only [SECONDS=60 TARGET=csv_file]
	@$(BIN)/python -m qa.fuzz --seconds "$(SECONDS)" $(if $(TARGET),--target "$(TARGET)")

.PHONY: mutation
mutation: $(VENV)/installed ## Change nyc_tlc/core in 6,000 ways: which does no unit test notice? (half an hour) [MUTANTS=nyc_tlc.core.month.*]
	@$(BIN)/python -m qa.mutate $(if $(MUTANTS),"$(MUTANTS)")

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

.PHONY: lock
lock: ## Resolve pyproject.toml into requirements.lock and requirements.txt
	@$(BIN)/python -m deploy.lock
