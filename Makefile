# Each target does all of its own set-up: a virtual environment in .venv with what the target needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= demo
MNIST ?= data
CUDA ?= 13
SECONDS ?= 600
OLDEST_TESTS := tests/test_oracle.py tests/test_estimator.py tests/test_bad_input.py tests/test_blocks_and_backend.py \
  tests/test_lowrank.py tests/test_products.py tests/test_model_selection.py tests/test_starts.py \
  tests/test_outside_memory.py tests/test_bicross.py tests/test_holdout.py tests/test_stability.py \
  tests/test_plotting.py tests/test_extreme_input.py tests/test_containers.py tests/test_properties.py \
  tests/test_gaps.py tests/test_sparse.py tests/test_divergence.py tests/test_streaming.py tests/test_going_on.py \
  tests/test_penalties.py tests/test_sklearn_nmf_counterparts.py

# One cache of compiled code for each state of the sources: going back to an earlier one then compiles nothing.
export NUMBA_CACHE_DIR := $(CURDIR)/$(VENV)/numba/$(shell cat coupled_nmf/*.py coupled_nmf/*/*.py | cksum | cut -d' ' -f1)

.PHONY: demo test fuzz test-oldest benchmarks gpu reproduce clean

demo: $(VENV)/.probe
	$(BIN)/cnn-probe study all --data digits --quick --out $(OUT)

test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest

# As long as one likes, from a seed that is drawn and told: make fuzz SECONDS=3600.
fuzz: $(VENV)/.dev
	cd tests && PYTHONPATH=.:.. ../$(BIN)/python -m fuzz --seconds $(SECONDS)

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
gpu:
	@command -v nvidia-smi > /dev/null || { echo "make gpu needs an NVIDIA GPU and its driver; there is no nvidia-smi."; exit 1; }
	@echo "Installing into $(VENV)-gpu (with PyTorch about 6 GB; minutes) ..."
	$(PYTHON) -m venv $(VENV)-gpu
	$(VENV)-gpu/bin/pip install --quiet --editable ".[probe,test,benchmarks]"
	$(VENV)-gpu/bin/pip install --quiet --editable ".[cuda$(CUDA)]"
	$(VENV)-gpu/bin/pytest -m gpu
	$(VENV)-gpu/bin/python -m benchmarks gpu
	$(VENV)-gpu/bin/python docs/benchmarks.py

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

reproduce: $(VENV)/.probe
	$(BIN)/cnn-probe study all --data mnist --data-root $(MNIST) --download --resume --out runs/mnist
	mkdir -p docs/reproduction
	rm -rf docs/reproduction/figures
	cp -r runs/mnist/results.json runs/mnist/figures docs/reproduction/
	$(BIN)/python docs/reproduction.py

clean:
	rm -rf $(VENV) $(VENV)-oldest $(VENV)-benchmarks $(VENV)-gpu $(OUT)
