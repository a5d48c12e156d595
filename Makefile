# make demo   the whole graph on the sample brain      make ui     the Dagster UI on 127.0.0.1:3000
# make demo-staining   the same on drawn pictures of stained neurons
# make demo-detection   the same on a drawn volume that is searched for synapses and mitochondria
# make explore   look, search and compare on 127.0.0.1:8050, once something is released
# make test   linters, types, import rules and tests   make bench  measurements, printed as ratios
# make soak   kills, outages, queues and ticks: whether it can be relied on, half an hour
# make site-app   check, test and build what runs in a visitor's browser (site_app/); needs Node.js 20 or newer
# make docs   the documentation as web pages, docs/_build/html/index.html; a warning is an error
# make mutants   small changes that a reviewer fears: which of them the tests do not notice, half an hour
# Another dataset: make demo SYNAPSE_DATASETS=vnc_sstem SYNAPSE_VNC_SSTEM_FOLDER=/folder/of/the/data

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PORT   ?= 3000

export PYTHONUNBUFFERED = 1

.PHONY: install demo demo-staining demo-detection ui explore test site-app docs bench soak mutants lock clean
.DEFAULT_GOAL := demo

install: $(VENV)/installed

$(VENV)/installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	@echo "Installing pinned packages into $(VENV) (minutes the first time) ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: install
	$(BIN)/synapse-assets materialize

demo-staining: export SYNAPSE_DATASETS = sample_staining
demo-staining: demo

demo-detection: export SYNAPSE_DATASETS = sample_detection
demo-detection: demo

ui: install
	$(BIN)/synapse-assets ui --port $(PORT)

explore: install
	$(BIN)/synapse-assets explore

test: install site-app
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(BIN)/pytest --numprocesses=2

# The wheel holds what was built, so that who installs it needs no Node.js.
site-app:
	@command -v npm >/dev/null || { echo "make site-app: npm is missing; install Node.js 20 or newer"; exit 1; }
	cd site_app && npm ci --silent && npm run --silent check && npm test --silent && npm run --silent build
	@git diff --exit-code --stat -- synapse_assets/site/app && test -z "$$(git status --porcelain -- synapse_assets/site/app)" \
	  || { echo "synapse_assets/site/app is not what site_app/ builds: commit what \`make site-app\` has just built"; exit 1; }

docs: install
	$(BIN)/sphinx-build --quiet --fail-on-warning --builder html docs docs/_build/html
	@echo "docs/_build/html/index.html"

bench: install
	$(BIN)/python -m benchmarks

soak: install
	$(BIN)/python -m benchmarks.soak

mutants: install
	$(BIN)/python -m synapse_assets_tests.mutants

lock:
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url \
	  --output-file requirements.lock

clean:
	rm -rf $(VENV)
