# Each target does all of its own set-up: a virtual environment in .venv with what the target needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= demo
MNIST ?= data

.PHONY: demo test reproduce clean

demo: $(VENV)/.probe
	$(BIN)/cnn-probe study all --data digits --quick --out $(OUT)

test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; '$(PYTHON)' is older. Use: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.probe: $(VENV)/.python pyproject.toml
	$(BIN)/pip install --quiet --editable ".[probe]"
	touch $@

$(VENV)/.dev: $(VENV)/.python pyproject.toml
	$(BIN)/pip install --quiet --editable ".[probe,dev]"
	touch $@ $(VENV)/.probe

reproduce: $(VENV)/.probe
	$(BIN)/cnn-probe study all --data mnist --data-root $(MNIST) --download --resume --out runs/mnist
	mkdir -p docs/reproduction
	rm -rf docs/reproduction/figures
	cp -r runs/mnist/results.json runs/mnist/figures docs/reproduction/
	$(BIN)/python docs/reproduction.py

clean:
	rm -rf $(VENV) $(OUT)
