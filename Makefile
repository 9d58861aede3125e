# `make repro` and `make test` are all that a fresh machine with git, make and Python 3.11 needs.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
READY := $(VENV)/ready
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true

.PHONY: repro lifter published test fuzz kills lint bench ablations
.DEFAULT_GOAL := repro

repro: $(READY)  ## the whole pipeline, on the parameters in params.yaml
	dvc repro

lifter: $(READY)  ## the general lifter that comes with the package, from lifter/params.yaml
	cd lifter && dvc repro

published: $(READY)  ## the published recipe as an experiment of its own: make published ARGS="-S data.raw=..."
	dvc exp run --temp $$(cat recipes/published) $(ARGS)

test: $(READY)  ## the tests
	python -m pytest

fuzz: $(READY)  ## damaged and hostile files for every reader, 10,000: make fuzz ARGS="--only coco --save cases"
	python -m tests.fuzz $(ARGS)

kills: $(READY)  ## every stage killed at random moments, and repeated: make kills ARGS="--rounds 20 --stage weak"
	python -m tests.kills $(ARGS)

lint: $(READY)  ## style and types
	ruff check .
	ruff format --check .
	mypy

bench: $(READY)  ## the benchmarks: one table, printed and put into docs/performance.md
	python -m benchmarks

ablations: $(READY)  ## both recipes' tables as DVC experiments: make ablations SEEDS=3 ARGS="-S data.raw=..."
	python -m benchmarks.ablations --seeds $(or $(SEEDS),1) $(ARGS)

# torch goes first and alone: pip then takes the build that fits the machine, with CUDA where there is a GPU.
$(READY): requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' requirements.txt)"
	python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@
