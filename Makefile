# make demo   set up, then run the quickstart: source policies, transfer, tables, report
# make test   set up, then run the tests
# make check  format, lint, types, tests
# Another interpreter: make demo PYTHON=python3.12 (pybullet has wheels up to CPython 3.11 and
# compiles for some minutes on later ones).

PYTHON ?= $(shell python3.11 -c 'import sys; print(sys.executable)' 2>/dev/null || echo python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check format lint types clean

demo: $(READY)
	$(BIN)/headstart run experiments/studies/quickstart.yaml

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

check: format lint types test

format: $(READY)
	$(BIN)/ruff format .

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

# The repository root is the package, so mypy is shown it through a link of the package's name.
types: $(READY)
	mkdir -p $(VENV)/types
	ln -sfn ../.. $(VENV)/types/headstart
	MYPYPATH=$(VENV)/types $(BIN)/mypy -p headstart

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	touch $@
