# Two commands are all a newcomer needs: `make demo` and `make test`. Both set up what they need.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup demo test integration check bench bench-services prove lock docs conformance-sigma wheelhouse clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 28

.venv/.run: locks/run.txt pyproject.toml verifier/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Luytre needs Python 3.11 or newer: make PYTHON=python3.x ...")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@echo "installing what Luytre runs on (hash-checked, into .venv)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/run.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . -e verifier
	@touch $@

.venv/.dev: .venv/.run locks/dev.txt
	@echo "installing what its developers use (hash-checked, into .venv)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/dev.txt
	@touch $@

setup: .venv/.dev ## Install everything into .venv

demo: .venv/.run ## Play ten minutes of a province with five attacks, and find them
	@$(BIN)/luytre demo

test: .venv/.dev ## Run the tests
	@$(BIN)/pytest -n auto --dist loadgroup

integration: .venv/.dev ## Run the tests that need real servers (JDK and Maven)
	@$(BIN)/pytest -m "integration and not proof" tests

check: .venv/.dev ## Lint, types, import contracts, rules, documentation
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sigma check --fail-on-error --fail-on-issues -x attacktag -x d3_fendtag detections/rules
	$(BIN)/python -m tests.reference --check
	$(BIN)/python -m tests.conformance --check

docs: .venv/.dev ## Write anew the reference pages that are made from the code
	$(BIN)/python -m tests.reference

conformance-sigma: .venv/.dev ## Run each feature of Sigma 2.1; writes docs/reference/sigma-conformance.md
	$(BIN)/python -m tests.conformance

bench: .venv/.dev ## Measure the engine, its growth, correlation; writes docs/performance.md
	$(BIN)/python -m benchmarks.engine
	$(BIN)/python -m benchmarks.growth
	$(BIN)/python -m benchmarks.correlate

bench-services: .venv/.dev ## Measure the whole on real Kafka and Elasticsearch (half an hour)
	$(BIN)/python -m benchmarks.services

prove: .venv/.dev ## Run every proof in full (hours, resumable); writes docs/evidence/
	$(BIN)/python -m tests.proofs

lock: .venv/.dev ## Resolve the dependencies anew (needs uv: pip install uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -q \
		pyproject.toml --group build -o locks/run.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -q \
		pyproject.toml --group build --group dev -c locks/run.txt -o locks/dev.txt

wheelhouse: .venv/.run ## Fill deploy/wheelhouse with every wheel, to install where there is no Internet
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r locks/run.txt -d deploy/wheelhouse

clean: ## Remove what the commands above made
	rm -rf .venv demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
