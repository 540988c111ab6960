# make run    set up, fetch what is missing, open the page
# make test   set up and run all tests
# make lint   style, types and the direction of imports
# make bench  measured speed, one JSON line a benchmark
# make report measured quality: figures and plots into docs/

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: run test lint format bench report setup setup-dev models clean

run: setup
	$(BIN)/python app.py $(ARGS)

# Two at once: much of the time is waiting. Threads that wait asleep, not at a spinning barrier,
# leave the cores to the other half.
test: setup-dev models
	OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup-dev models
	@for name in decode store privacy adapter train federate fusion; do $(BIN)/python -m floe.bench $$name || exit 1; done

report: setup-dev models
	$(BIN)/python -m floe.evaluate report

models: setup
	$(BIN)/python -m floe.edge.catalog fetch smollm2-135m-instruct qwen2.5-coder-0.5b-instruct

setup: .venv/.ready
setup-dev: .venv/.ready-dev

.venv/.ready: requirements.txt constraints.txt
	@echo "Setting up .venv. llama-cpp-python compiles llama.cpp for this machine: a few minutes."
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt
	touch $@

.venv/.ready-dev: .venv/.ready requirements-dev.txt
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements-dev.txt
	touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
