# make demo        no keys, no PBX: the agent, and one real call placed to it      (ARGS=--once ends after that call)
# make test        lint, types and every test that needs neither peers nor a network
# make interop     real calls with other makers' PBXs and phones, each group in a network namespace of its own (root)
# make fuzz        changed messages, at random, to every parser: FUZZ_SECONDS=60 each; a long one takes 3600
# make model       calls in which anything happens at any moment, against a model of them: MODEL_RUNS=5000 of 50 steps each
# make soak        100 calls that come and go for half an hour, over a bad network: SOAK_SECONDS=1800
# make bench       measures, and writes docs/figures.md
# make clean       removes what these made

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   ?= .venv
ARGS   ?=
FUZZ_SECONDS ?= 60
MODEL_RUNS ?= 5000
SOAK_SECONDS ?= 1800

.PHONY: demo test interop fuzz model soak bench clean

demo: $(VENV)/.installed-local
	$(VENV)/bin/sipagent demo $(ARGS)

test: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check sipagent tests examples
	$(VENV)/bin/ruff format --check sipagent tests examples
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest -m "not interop" $(ARGS)

interop: $(VENV)/.installed-dev
	tests/interop/run $(ARGS)

fuzz: $(VENV)-fuzz/.installed
	$(VENV)-fuzz/bin/python -m tests.fuzz.run --seconds $(FUZZ_SECONDS) $(ARGS)

model: $(VENV)/.installed-dev
	SIPAGENT_MODEL_SEED=$${SIPAGENT_MODEL_SEED:-random} SIPAGENT_MODEL_RUNS=$(MODEL_RUNS) $(VENV)/bin/python -m pytest tests/sip/test_model.py $(ARGS)

soak: $(VENV)/.installed-dev
	$(VENV)/bin/python -m tests.soak.run --seconds $(SOAK_SECONDS) $(ARGS)

bench: $(VENV)/.installed-dev $(VENV)-bench/.installed
	$(VENV)/bin/python -m tests.benchmarks.run $(ARGS)

# The stamp is younger than pyproject.toml: what it installs is installed once. A development install contains the demo's.
$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[local,dev]'
	touch $(VENV)/.installed-local $@

$(VENV)/.installed-local: pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[local]'
	touch $@

# An environment of its own: the fuzzer rewrites the bytecode of what it tests.
$(VENV)-fuzz/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)-fuzz
	$(VENV)-fuzz/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[fuzz]'
	touch $@

# An environment of its own: what we are measured beside is no part of us.
$(VENV)-bench/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	touch $@

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "sipagent needs Python 3.11 or newer; say which: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) $(VENV)-fuzz $(VENV)-bench .fuzz build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
