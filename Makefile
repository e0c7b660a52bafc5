# `make` alone prints the targets. The first call of one that needs Python installs, from the lock
# files, into .venv; later calls do so again only when the interpreter or a lock file has changed.

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
DEV := $(VENV)/.project $(VENV)/.dev
REDOCLY := build/node/node_modules/.installed
NEWMAN := build/docs-node/node_modules/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check
# A lock file says all that is installed: pip resolves nothing and builds nothing, so it never asks an
# index for what is newest, and a release of tomorrow changes nothing. `pip check` tells a hole in it.
# Modules are compiled at once, on every core: left to the first import, they are compiled at every start
# where PYTHONDONTWRITEBYTECODE is set, as it is in many containers, and more than double its time.
define LOCKED
@echo "Installing $(1) into $(VENV): once, 1 to 3 minutes by the machine and its network"
@{ $(PIP) install --no-deps --only-binary :all: --require-hashes --progress-bar off --no-compile \
       --requirement $(1) 2>&1; echo "exit $$?"; } | awk "$$PROGRESS" total=$$(grep -c '==' $(1))
@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib > /dev/null 2>&1 || true
@$(PIP) check > $(VENV)/.check || { cat $(VENV)/.check; exit 1; }
endef
# What pip says becomes a count that moves; when it fails, all that it said is shown.
define PROGRESS
/^exit / { if ($$2 != 0) printf "%s", said; else print "  installed"; exit $$2 }
{ said = said $$0 "\n" }
/^(Collecting|Ignoring|Requirement already)/ { if (++n % 10 == 0) { print "  " n " of " total " packages"; fflush() } }
/^Installing collected/ { print "  all read, writing them"; fflush() }
endef
export PROGRESS
# Tests that start servers, clusters and browsers wait for half of their time: three processes keep two cores
# busy (14 minutes instead of 24).
SPREAD := --numprocesses 3 --dist loadgroup
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-strip-extras --custom-compile-command "make lock"

.DEFAULT_GOAL := help
# A target half made must not look finished, and two pips must not write one environment.
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help run test check untimed lint contract contract-coverage branches fuzz mutants proof clients bench docs lock clean FORCE

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# `exec`: SIGTERM and Ctrl-C reach cynod itself, and make adds no message when cynod then ends with 0.
# make itself still reports the signal (130, 143); a supervisor runs `.venv/bin/cynod serve` instead.
run: $(VENV)/.project ## install what is missing, then serve the demo (HOST, PORT)
	@CYNOD_URL_PUBLIQUE="$${CYNOD_URL_PUBLIQUE-http://127.0.0.1:$${PORT:-8080}}" \
	    CYNOD_SURFACES="$${CYNOD_SURFACES-partenaire,base-core}" exec $(BIN)/cynod serve --demo

test: $(DEV) $(REDOCLY) $(NEWMAN) ## run the tests (ARGS="-k debit" goes to pytest)
	@CYNOD_EXCHANGES=build/exchanges $(BIN)/python -m pytest $(if $(ARGS),$(ARGS),$(SPREAD))

# The last whole run is judged; a partial one, as `make test ARGS=...`, takes nothing away from it.
# Without any, the tests that send requests are run first.
contract-coverage: $(DEV) ## judge what the tests observed of the contracts: build/contract-coverage*.html
	@test -f build/exchanges/whole/run.json || test -f build/exchanges/part/run.json || \
	    CYNOD_EXCHANGES=build/exchanges $(BIN)/python -m pytest --ignore=tests/models $(SPREAD)
	@$(BIN)/python -m tests.lab.coverage

check: untimed ## everything that CI runs: lint, contract, generated calls, tests, what they observed
	@$(MAKE) --no-print-directory test
	@$(MAKE) --no-print-directory contract-coverage

# What measures no time: CI runs it beside other work (.ci/run). The same calls each time: a change is judged
# by what it changed. `make fuzz` alone takes a new seed.
untimed: lint $(REDOCLY)
	@$(BIN)/cynod contract check
	@$(MAKE) --no-print-directory fuzz SEED=20261123

lint: $(DEV) ## check style, likely bugs, who imports whom, types (FIX=1 repairs what it can)
	@$(if $(FIX),$(BIN)/ruff check --fix . && $(BIN)/ruff format .,$(BIN)/ruff check . && $(BIN)/ruff format --check .)
	@mkdir -p build && $(BIN)/lint-imports --cache-dir build/import-linter > build/imports.txt || { cat build/imports.txt; exit 1; }
	@$(BIN)/mypy

contract: $(DEV) $(REDOCLY) ## check openapi.yaml, write again what is generated from it, say what changed (ARGS=--fix)
	@$(BIN)/cynod contract all $(ARGS)

# Redocly CLI, from the lock file. Where there is no npm, `cynod contract` says what it then cannot do.
$(REDOCLY): tests/contract/node/package-lock.json
	@mkdir -p build/node
	@cp tests/contract/node/package.json tests/contract/node/package-lock.json tests/contract/node/.npmrc build/node
	@if command -v npm > /dev/null; then cd build/node && npm ci --ignore-scripts --silent && touch node_modules/.installed; fi

# What runs the Postman collection and the TypeScript of the documentation.
$(NEWMAN): tests/site/node/package-lock.json
	@mkdir -p build/docs-node
	@cp tests/site/node/package.json tests/site/node/package-lock.json tests/site/node/.npmrc build/docs-node
	@if command -v npm > /dev/null; then cd build/docs-node && npm ci --ignore-scripts --silent && touch node_modules/.installed; fi

branches: $(DEV) ## run the tests, threads and processes measured; fail under 95 % of the branches
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest --timeout 360 $(if $(ARGS),$(ARGS),$(SPREAD))
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report
	@$(BIN)/python -m tests.lab.branches

fuzz: $(DEV) ## try every operation with generated calls (QUICK=1, TIME=30m, SEED=, URL= staging, FILE= again)
	@CYNOD_EXCHANGES=build/exchanges $(BIN)/python -m tests.lab.fuzz $(if $(FILE),--replay $(FILE)) $(if $(QUICK),--quick) $(if $(TIME),--time $(TIME)) $(if $(SEED),--seed $(SEED)) $(if $(URL),--url $(URL)) $(if $(ALLOW),--allow $(ALLOW)) $(ARGS)
	@$(if $(TIME),$(if $(URL),,$(BIN)/python -m pytest -m fuzz --timeout 3600))

mutants: $(DEV) ## change the contract, or MODULE=models/plafond.py, a thing at a time: the tests must fail
	@$(BIN)/python -m $(if $(MODULE),tests.lab.code_mutants $(MODULE),tests.lab.mutants) $(ARGS)

proof: $(DEV) ## break servers and databases under load, judge the books (TIME= seconds each, SEED=, CLUSTER=1)
	@$(BIN)/python -m tests.lab.proof$(if $(CLUSTER),.cluster_proof) $(if $(TIME),--seconds $(TIME)) $(if $(SEED),--seed $(SEED)) $(ARGS)
	@$(if $(CLUSTER)$(ARGS),,$(BIN)/python -m tests.lab.proof.rolling $(if $(TIME),--seconds $(TIME)) $(if $(SEED),--seed $(SEED)))

clients: $(DEV) ## make the clients of the contract in nine packages: build/clients (ALL=1: seven more play the story)
	@$(BIN)/python -m tests.lab.clients
	@$(if $(ALL),$(BIN)/python -m pytest tests/lab/clients/more/playing.py)

bench: $(DEV) ## measure beside Connexion as it comes, FastAPI, Flask and the limits (QUICK=1, ARGS=--help)
	@$(BIN)/python -m tests.lab.bench $(if $(QUICK),--quick,--judge) $(ARGS)

docs: $(VENV)/.project ## write the documentation as a folder of files into build/docs
	@$(BIN)/python -m handlers.site.static_copy build/docs

lock: $(DEV) ## write the lock files of Python's packages (ARGS=--upgrade takes newer releases)
	@$(COMPILE) pyproject.toml --group build --output-file requirements.lock $(ARGS)
	@$(COMPILE) pyproject.toml --group build --extra traces --constraint requirements.lock --output-file requirements-traces.lock $(ARGS)
	@$(COMPILE) pyproject.toml --group build --extra dev --constraint requirements.lock --output-file requirements-dev.lock $(ARGS)
	@$(COMPILE) tests/lab/clients/requirements.in --output-file tests/lab/clients/requirements.lock $(ARGS)
	@$(COMPILE) tests/contract/node/requirements.in --output-file tests/contract/node/requirements.lock $(ARGS)

clean: ## remove what make and the tools wrote, never a database
	@rm -rf $(VENV) build dist *.egg-info htmlcov .coverage .coverage.*
	@rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache .schemathesis
	@find handlers models tests -type d -name __pycache__ -prune -exec rm -rf {} +

# Old interpreters must be able to read this, or they could not say that they are too old. The
# folder is part of the identity because an environment that was moved does not work.
define IDENTITY
import sys
if sys.version_info < (3, 11):
    sys.exit("%s is Python %d.%d; Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ..."
             % ((sys.argv[1],) + sys.version_info[:2]))
try:
    import ensurepip, venv
except ImportError:
    sys.exit("%s cannot create environments; on Debian and Ubuntu install the package python%d.%d-venv."
             % ((sys.argv[1],) + sys.version_info[:2]))
print("%s %s %s" % (sys.version.replace("\n", " "), sys.base_prefix, sys.argv[2]))
endef
export IDENTITY

# Asked at every call, but written only when the answer is new: its date is the date of the change.
$(VENV)/.interpreter: FORCE
	@command -v "$(PYTHON)" > /dev/null || \
	    { echo "$(PYTHON) was not found; Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@identity=$$("$(PYTHON)" -c "$$IDENTITY" "$(PYTHON)" "$(CURDIR)") || exit 1; \
	 [ "$$identity" = "$$(cat $@ 2> /dev/null)" ] || { mkdir -p $(VENV) && echo "$$identity" > $@; }

# From nothing each time, so that a package dropped from the lock file is gone from here too.
$(VENV)/.runtime: $(VENV)/.interpreter requirements.lock
	@identity=$$(cat $<) && "$(PYTHON)" -m venv --clear $(VENV) && echo "$$identity" > $<
	$(call LOCKED,requirements.lock)
	@touch $@

# The project itself: its modules stay where they are, only the command and the metadata are made.
$(VENV)/.project: $(VENV)/.runtime pyproject.toml
	@$(PIP) install -qq --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	$(call LOCKED,requirements-dev.lock)
	@touch $@
