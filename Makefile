# Everything that a developer or a CI machine does here. `make` alone lists it.
# Needs: make, a POSIX shell, Python 3.11 or newer. All else goes into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := autoscout-runs/demo
GENERATED := crds docs/reference/api.md docs/reference/metrics.md

# Options for pytest: make test PYTEST='-k ledger -x'
PYTEST ?=

.DEFAULT_GOAL := help
# Two targets must not change the environment at the same time, whatever -j says.
.NOTPARALLEL:
.PHONY: help venv profilers-venv demo test test-unit test-profilers verify lint types imports generated examples generate golden format benchmarks \
	cluster-up cluster-down clean

help: ## list the targets
	@echo 'AutoScout operator. make TARGET, where TARGET is one of:'
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1|\2/p' Makefile | while IFS='|' read -r target text; do \
		printf '%-15s %s\n' "$$target" "$$text"; done

# One environment, set up in two steps, so that the demo waits for the small one only.
$(VENV)/.base: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || true)." >&2; \
		echo "Say which one to use: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo '--- environment for the command (about 10 s): $(VENV)'
	@$(PYTHON) -m venv $(VENV) || { \
		echo "'$(PYTHON) -m venv' failed; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.full: $(VENV)/.base pyproject.toml
	@echo '--- environment for the operator and its development (about 20 s): $(VENV)'
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[operator,rivals,aiconfigurator,dev]'
	@touch $@

venv: $(VENV)/.full ## set up .venv with all that development needs

profilers-venv: ## set up what the profilers' tests need besides (Megatron, vLLM; 3.8 GB, outside the checkout)
	@$(PYTHON) tests/profilers/environment.py

demo: $(VENV)/.base ## tune a real CPU workload, no cluster needed (under two minutes, set-up included)
	@echo '--- tuning an attention kernel in numpy, each profile measured for real on this machine:'
	@echo '    autoscout tune docs/examples/quickstart.yaml'
	@rm -rf $(DEMO)
	@$(BIN)/autoscout tune docs/examples/quickstart.yaml --directory $(DEMO)

test: $(VENV)/.full ## every suite; those with real pods start a local Kubernetes when this machine can
	@$(BIN)/python -m pytest $(PYTEST)

test-unit: $(VENV)/.full ## the suites that take seconds
	@$(BIN)/python -m pytest tests/unit tests/property tests/golden $(PYTEST)

test-profilers: $(VENV)/.full ## Megatron and vLLM for real on this machine's CPU, also in pods (about 20 minutes)
	@$(BIN)/python -m tests.profilers $(PYTEST)

verify: lint types imports generated examples ## what must hold before a commit

lint: $(VENV)/.full
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.full
	$(BIN)/mypy

imports: $(VENV)/.full
	$(BIN)/lint-imports

generated: generate
	@git diff --exit-code -- $(GENERATED) && test -z "$$(git ls-files --others --exclude-standard -- $(GENERATED))" || { \
		echo 'Generated files differ from what is checked in: run make generate and commit $(GENERATED).' >&2; exit 1; }

examples: $(VENV)/.full
	$(BIN)/autoscout validate docs/examples/*.yaml
	$(BIN)/python -m tests.docs README.md docs

generate: $(VENV)/.full ## write the files that are made from the code
	$(BIN)/autoscout crds --output crds
	$(BIN)/autoscout reference --output docs/reference

golden: $(VENV)/.full ## rewrite the expected outputs of the golden tests; read the diff afterwards
	@$(BIN)/python -m pytest tests/golden --update-golden

benchmarks: $(VENV)/.full ## run every benchmark again (hours): docs/benchmarks
	$(BIN)/python -m tests.benchmarks

format: $(VENV)/.full ## format the code and fix what can be fixed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

cluster-up: $(VENV)/.full ## start a local Kubernetes and print its kubeconfig
	@$(BIN)/python -m tests.cluster up

cluster-down: $(VENV)/.full ## stop it
	@$(BIN)/python -m tests.cluster down

clean: ## remove the environment, caches and the demo's run (your own runs stay)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist $(DEMO)
	find operator profiler-image tests -name __pycache__ -type d -prune -exec rm -rf {} +
