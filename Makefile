# make demo      install headstart, then run the quickstart: source policies, transfer, tables, report
# make test      install the developers' tools as well, then run the tests
# make test-all  the same with the tests that take minutes
# make check     format, lint, types, tests
# make docs      build the documentation as a site, into site/
# Another interpreter: make demo PYTHON=python3.12 (pybullet has wheels up to CPython 3.11 and
# compiles for some minutes on later ones).

PYTHON ?= $(shell python3.11 -c 'import sys; print(sys.executable)' 2>/dev/null || echo python3)
VENV := .venv
BIN := $(VENV)/bin
# Files that say what has been installed: headstart, and the developers' tools as well.
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
READY_DOCS := $(VENV)/.ready-docs
# Modules are compiled when they are first imported, and kept: most of what is installed never is.
unexport PYTHONDONTWRITEBYTECODE
INSTALL := $(BIN)/python -m pip install -q --no-compile -c constraints.txt
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

.PHONY: demo test test-all check format lint types docs clean

demo: $(READY)
	$(BIN)/headstart run experiments/studies/quickstart.yaml

test: $(READY_DEV)
	$(PYTEST)

test-all: $(READY_DEV)
	$(PYTEST) -m "slow or not slow"

check: format lint types test

format: $(READY_DEV)
	$(BIN)/ruff format .

lint: $(READY_DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

# The repository root is the package, so mypy is shown it through a link of the package's name.
types: $(READY_DEV)
	mkdir -p $(VENV)/types
	ln -sfn ../.. $(VENV)/types/headstart
	MYPYPATH=$(VENV)/types $(BIN)/mypy -p headstart

docs: $(READY_DOCS)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) site build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear $(VENV)
	$(INSTALL) -e .
	touch $@

$(READY_DEV): $(READY)
	$(INSTALL) -e '.[dev]'
	touch $@

$(READY_DOCS): $(READY)
	$(INSTALL) -e '.[docs]'
	touch $@
