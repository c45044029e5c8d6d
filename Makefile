# make demo   the tour, run in a real kernel on a local executor, as text
# make test   every test
# make check  lint, format, types, import layers, docs
# make lab    the tour in JupyterLab
# make oci    Oracle's SDKs and Fn's FDK, for the tests that drive the OCI test server with them (600 MB)
# make kernels  environments with older ipykernels, for the tests that run the tour in each
# make bench  benchmarks; prints both sides of each ratio
# make soak   100,000 calls of 50 functions while instances are killed
# Each makes its own .venv first. Needed beforehand: make and Python 3.11 or newer.

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v $$p; break; }; done)
WORKERS ?= 2

KERNELS := 6.31 7.0.1

.PHONY: demo test check lab bench soak oci kernels format clean help

help:
	@sed -n 's/^# //p' Makefile

demo: $(VENV)/.tour
	$(BIN)/python notebooks/run.py notebooks/00_tour.ipynb

# The browser comes last and alone: it wants the machine, and its loop the thread.
test: $(VENV)/.dev
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup -m "not browser" $(ARGS)
	$(BIN)/pytest -m browser $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check nbfn tests notebooks benchmarks
	$(BIN)/ruff format --check nbfn tests notebooks benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q -p no:cacheprovider tests/docs

lab: $(VENV)/.lab
	$(BIN)/jupyter lab notebooks/00_tour.ipynb

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

soak: $(VENV)/.dev
	$(BIN)/python -m benchmarks.soak $(ARGS)

oci: .venv-oci/.done .venv-oci-20181201/.done

# --no-compile: of 35,000 modules a test imports a few hundred.
.venv-oci/.done .venv-oci-20181201/.done: .venv-%/.done: pyproject.toml | $(VENV)/.pip
	@echo "Installing the '$*' group into .venv-$* …"
	@$(BIN)/python -m venv .venv-$*
	@.venv-$*/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@.venv-$*/bin/python -m pip install --quiet --no-compile --group $*
	@touch $@

kernels: $(KERNELS:%=.venv-kernel-%/.done)

$(KERNELS:%=.venv-kernel-%/.done): .venv-kernel-%/.done: pyproject.toml | $(VENV)/.dev
	@echo "Installing ipykernel $* into .venv-kernel-$* …"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-kernel-$*
	@$(BIN)/uv pip install --quiet --python .venv-kernel-$*/bin/python --group kernel --group arrow 'ipykernel==$*.*' --editable .
	@touch $@

format: $(VENV)/.dev
	$(BIN)/ruff check --fix nbfn tests notebooks benchmarks
	$(BIN)/ruff format nbfn tests notebooks benchmarks

clean:
	rm -rf $(VENV) .venv-oci .venv-oci-20181201 $(KERNELS:%=.venv-kernel-%) .pytest_cache .mypy_cache .ruff_cache .hypothesis test-artifacts

# One stamp a dependency group: `make demo` need not wait for the test tools.
$(VENV)/.tour $(VENV)/.lab $(VENV)/.dev: $(VENV)/.%: pyproject.toml | $(VENV)/.pip
	@echo "Installing nbfn and its '$*' group into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --group $* --editable .
	@touch $@

$(VENV)/.pip:
	@test -n "$(PYTHON)" || { echo "nbfn needs Python 3.11 or newer, and none is on the PATH."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "This Python has no venv module (Debian: apt install python3-venv)."; exit 1; }
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@touch $@
