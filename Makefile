PYTHON ?= python3
VENV ?= .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt

OPTIONS ?=
TESTS ?= tests
# The tests of one file run in one process, and files run in order.
SPREAD ?= -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help run screenshots journey test package messages lint format clean

help:  ## show this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

run: $(VENV)/.installed  ## start the page (OPTIONS="--port 8000", see app.py --help)
	$(BIN)/python app.py $(OPTIONS)

screenshots: $(VENV)/.installed-dev  ## every tab in both languages, widths and themes, into screenshots/
	PYTHONPATH=.:tests $(BIN)/python -m helpers.screenshots

journey: $(VENV)/.installed-dev  ## the pictures of the page in the README and docs/, into assets/readme/
	PYTHONPATH=.:tests $(BIN)/python -m helpers.journey

test: lint  ## everything that must pass: lint, types, tests (TESTS=tests/test_walls.py for one file)
	$(BIN)/python -m pytest $(SPREAD) $(TESTS)

package: $(VENV)/.installed-dev  ## build the wheel, install it into an empty environment and use it there
	$(BIN)/python -m pytest -m network tests/test_install.py

messages: $(VENV)/.installed-dev  ## bring the catalogues in locale/ up to date with what the program says
	$(BIN)/python -m ui.texts.extraction

lint: $(VENV)/.installed-dev  ## style, formatting and types
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

format: $(VENV)/.installed-dev  ## put the formatting and the order of imports right
	$(BIN)/python -m ruff check --select I --fix .
	$(BIN)/python -m ruff format .

clean:  ## remove the environment and the caches; outputs/ stays
	rm -rf "$(VENV)" .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 10) and 'Python 3.10 or newer is needed: name one, as in make PYTHON=python3.12')"
	$(PYTHON) -m venv "$(VENV)"

# The stamps are renewed when a list of requirements changes; making the environment anew renews both.
$(VENV)/.installed: requirements.txt constraints.txt | $(VENV)/pyvenv.cfg
	$(PIP_INSTALL) -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	$(PIP_INSTALL) -r requirements-dev.txt
	@touch $@
