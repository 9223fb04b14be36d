# Everything one does with recloop, a verb each. Needs make and Python 3.11 or newer, nothing else:
# the first call of a verb makes the environment it needs in .venv, later calls find it there.

PYTHON ?= python3
VENV   ?= .venv
CONFIG ?= configs/default.yaml
DATA   ?=
OUTPUT ?= outputs
JOBS   ?= 2
ARGS   ?=

BIN := $(VENV)/bin
TORCH := $(shell sed -n 's/^torch==/torch==/p' requirements.lock)

.DEFAULT_GOAL := help
.PHONY: help run demo test check format docs golden bench mutation lock clean
.DELETE_ON_ERROR:

help:  ## this list
	@echo "make VERB [VARIABLE=value ...]"
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r verb text; do \
	  printf '  %-10s %s\n' "$$verb" "$$text"; done

run: $(VENV)/.run  ## train, evaluate and report; CONFIG=file.yaml DATA=folder OUTPUT=folder ARGS="..."
	$(BIN)/recloop run --config "$(CONFIG)" --output-dir "$(OUTPUT)" --beside $(if $(DATA),--data "$(DATA)") $(ARGS)

demo: $(VENV)/.demo  ## open the run folder OUTPUT in a browser
	$(BIN)/streamlit run scripts/demo.py $(ARGS) -- --run "$(OUTPUT)"

test: $(VENV)/.dev  ## the fast tests; ARGS="-k words", ARGS="-m slow" for others
	$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

check: $(VENV)/.dev  ## format, lint, types, layers, fast tests: what must pass before a push
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n $(JOBS) --durations 10

format: $(VENV)/.dev  ## write the format and the lint's safe corrections
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.dev  ## the documentation site, into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

golden: $(VENV)/.dev  ## record the golden traces anew; commit them on their own
	RECLOOP_GOLDEN=write $(BIN)/python -m pytest tests/golden $(ARGS)

bench: $(VENV)/.dev  ## the benchmarks, one after the other
	@for file in benchmarks/[a-z]*.py; do \
	  echo "== $$file"; $(BIN)/python "$$file" $(ARGS) || exit 1; done
	$(BIN)/python -m benchmarks.reliability

mutation: $(VENV)/.mutation  ## can the tests fail? ARGS="--area evaluation" for a part
	$(BIN)/python tools/mutation --jobs $(JOBS) $(ARGS)

lock:  ## resolve the newest allowed versions into requirements.lock
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --no-compile $(TORCH)
	.venv-lock/bin/python -m pip install --quiet --no-compile -e '.[dev,mutation]'
	.venv-lock/bin/python -m pip freeze --all --exclude-editable \
	  | grep -v '^pip==\|^nvidia-\|^triton==\|^cuda-' | sed 's/+[a-z0-9.]*$$//' > requirements.lock
	rm -rf .venv-lock

clean:  ## remove the environment, caches and built files; runs and data stay
	rm -rf $(VENV) .venv-lock build dist site mutants .pytest_cache .ruff_cache .hypothesis \
	  .import_linter_cache .coverage

# Environments. The core alone is enough to run; PyTorch comes first and pinned, so that no other
# package chooses a build of it.

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "recloop needs Python 3.11 or newer, but '$(PYTHON)' is $$($(PYTHON) --version 2>&1)."; \
	  echo "Name another one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "'$(PYTHON)' cannot make an environment; on Debian and Ubuntu: apt install python3-venv."; \
	  exit 2; }

install = @echo "installing $(1) into $(VENV) (log: $(VENV)/install.log)"; \
  $(BIN)/python -m pip install --no-compile --no-input --disable-pip-version-check --progress-bar off \
    -c requirements.lock $(2) > $(VENV)/install.log 2>&1 \
  || { tail -n 30 $(VENV)/install.log; echo "The installation failed; see $(VENV)/install.log."; exit 1; }

$(VENV)/.run: pyproject.toml requirements.lock | $(VENV)/bin/python
	$(call install,recloop,-e .)
	@touch $@

$(VENV)/.demo: pyproject.toml requirements.lock | $(VENV)/bin/python
	$(call install,recloop and the demo,-e '.[demo]')
	@touch $@ $(VENV)/.run

$(VENV)/.torch: requirements.lock | $(VENV)/bin/python
	$(call install,$(TORCH),$(TORCH))
	@touch $@

$(VENV)/.dev: pyproject.toml requirements.lock $(VENV)/.torch
	$(call install,recloop and the tools of its developers,-e '.[dev]')
	@touch $@ $(VENV)/.run $(VENV)/.demo

$(VENV)/.mutation: $(VENV)/.dev
	$(call install,the mutation tool,-e '.[dev$(comma)mutation]')
	@touch $@

comma := ,
