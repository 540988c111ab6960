# make run        set up, fetch what is missing, open the page
# make test       set up and run all tests
# make test-fast  the tests that need no model, no browser and no server: under a minute
# make lint       style, types and the direction of imports
# make bench      measured speed, one JSON line a benchmark
# make report     measured quality: figures and plots into docs/
# make lock       after a change of dependencies in pyproject.toml

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check

.PHONY: run test test-fast lint format bench report lock setup models clean

run: setup
	$(BIN)/floe run $(ARGS)

# Two at once: much of the time is waiting. Threads that wait asleep, not at a spinning barrier,
# leave the cores to the other half.
test: setup models
	OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

test-fast: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow" $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup models
	@for name in decode store privacy adapter train federate fusion; do $(BIN)/floe bench $$name || exit 1; done

report: setup models
	$(BIN)/floe evaluate report

lock: setup
	$(BIN)/python .ci/lock

models: setup
	$(BIN)/floe models fetch smollm2-135m-instruct qwen2.5-coder-0.5b-instruct

setup: .venv/.ready

# torch first and by its version alone: its build differs from machine to machine. All else is the
# very file that was tested.
.venv/.ready: requirements.lock pyproject.toml
	@echo "Setting up .venv. llama-cpp-python compiles llama.cpp for this machine: a few minutes."
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --no-deps "$$(grep '^torch==' requirements.txt)"
	$(PIP) --no-deps --require-hashes -r requirements.lock
	$(PIP) --no-deps --editable .
	touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
