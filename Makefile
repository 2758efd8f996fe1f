PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNS := $(VENV)/.kvplan-installed
DEVELOPS := $(VENV)/.kvplan-dev-installed

.PHONY: demo test lint types check fuzz bench golden

demo: $(RUNS)
	$(BIN)/kvplan place workloads/rack-70b.yaml

test: $(DEVELOPS)
	$(BIN)/python -m pytest -q -n 2

lint: $(DEVELOPS)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(DEVELOPS)
	$(BIN)/mypy

check: $(RUNS)
	$(BIN)/kvplan check workloads/

fuzz: $(DEVELOPS)
	$(BIN)/python benchmarks/fuzz.py --count 20000

bench: $(DEVELOPS)
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/sizing.py
	$(BIN)/python benchmarks/packing.py
	$(BIN)/python benchmarks/placing.py

golden: $(DEVELOPS)
	$(BIN)/python docs/refresh.py
	$(BIN)/python -m pytest -q tests/report --golden

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(RUNS): pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -e .
	@touch $@

$(DEVELOPS): pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]'
	@touch $@ $(RUNS)
