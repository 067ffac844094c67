# make run     JupyterLab with the extension, in notebooks/.   make run ARGS="--no-browser --port 8899"
# make test    all tests, in an environment of their own.      make test ARGS="-k panel"    make test BROWSER=0
# make check   what must hold before tests are worth running: lint, format, types, imports, TypeScript
# make docs    the documentation as a site, in docs/_build/html.   make docs ARGS="-D run_notebooks=0"
# make measure how the source reads: sizes, circles, names; beside other packages with   make measure ARGS=--peers
# make coverage  the tests of the Python layers, with the share of lines that they run, and its floor
# make test-lowest  the same tests with the lowest versions of the dependencies
# make faults  what docs/reliability.md reports: every fault 20 times, an hour.   make faults ARGS="--times 3 --only network"
# make bench   our server beside Node.js and others: a quarter of an hour.   make bench ARGS="--only fan8 node ours"   make bench-quick
# make dist    the sdist and the wheel, checked, and tried in an environment without Node.js: docs/releasing.md
# make sbom    dist/sbom.json (CycloneDX) of what the package needs, and what is known of its vulnerabilities
# make clean   remove all that the above have made
#
# PYTHON=/path/to/python3.12 chooses the interpreter; CHROMIUM=/path the browser. Node.js comes from PyPI where none is installed.
# Other programs that tests need are installed as root on Debian or Ubuntu; elsewhere a line names the tests that are left out.

PYTHON ?= python3
ARGS ?=
BROWSER ?= 1

RUN := .venv
TEST := .venv-test
LOWEST := .venv-lowest
PIP := -m pip install --quiet --disable-pip-version-check
# Tools are looked for in the environment first: Node too, where it came from PyPI.
IN_TEST := PATH="$(CURDIR)/$(TEST)/bin:$$PATH"
# Jupyter refuses to start as root unless told that this is meant.
ROOT_OK := $(if $(filter 0,$(shell id -u)),--allow-root)

GENERATED := jupyter_rtmsg/labextension jupyter_rtmsg/server/static jupyter_rtmsg/widgets/static
PACKAGE := $(shell find jupyter_rtmsg $(foreach folder,$(GENERATED),-path $(folder) -prune -o) -type f ! -name '*.pyc' -print)
FRONTEND := $(shell find labextension/src labextension/style labextension/schema labextension/*.json labextension/widget.build.mjs labextension/yarn.lock -type f)
BUILD := pyproject.toml $(wildcard _build/*.py jupyter-config/*.json)
NOTEBOOKS := $(abspath notebooks)

.PHONY: help run test check measure docs coverage test-lowest faults bench bench-quick dist sbom clean
.DELETE_ON_ERROR:

help:
	@sed -n '/^# make/s/^# //p' Makefile

run: $(RUN)/installed
	@mkdir -p $(NOTEBOOKS)
	cd $(NOTEBOOKS) && PATH="$(CURDIR)/$(RUN)/bin:$$PATH" exec jupyter lab $(ROOT_OK) $(ARGS)

test: $(TEST)/installed $(TEST)/neighbours/installed $(TEST)/node tests/interop/node_modules/.installed labextension/node_modules/.installed
	cd labextension && $(IN_TEST) jlpm test
	@$(IN_TEST) python tests/support/programs.py $(if $(filter 0,$(BROWSER)),--without chromium)
	$(IN_TEST) python tests/run.py $(if $(filter 0,$(BROWSER)),-m "not browser") $(ARGS)

# What neither browser, Jupyter, Node.js nor another program is needed for: the layers by themselves.
LAYERS := tests/wire tests/server tests/log tests/hub tests/client tests/rooms tests/tools tests/test_notebook.py tests/test_logthrottle.py
LAYER_TESTS := -m pytest -n 2 --dist loadgroup --no-loadscope-reorder --part=shared $(LAYERS)

coverage: $(TEST)/installed
	$(IN_TEST) PYTHONHASHSEED=0 python $(LAYER_TESTS) --cov --cov-report=term:skip-covered --cov-report=html $(ARGS)

test-lowest: $(LOWEST)/installed
	PYTHONHASHSEED=0 $(LOWEST)/bin/python $(LAYER_TESTS) $(ARGS)

faults: $(TEST)/installed
	@$(IN_TEST) python tests/support/programs.py --without chromium --without nginx
	$(IN_TEST) PYTHONPATH=tests python tests/faults/run.py --report docs/reliability.md $(ARGS)

check: $(TEST)/installed $(TEST)/node labextension/node_modules/.installed
	$(IN_TEST) ruff check .
	$(IN_TEST) ruff format --check .
	$(IN_TEST) mypy
	$(IN_TEST) lint-imports
	$(IN_TEST) python tools/measure.py --check
	cd labextension && $(IN_TEST) jlpm run check

docs: $(TEST)/docs
	$(IN_TEST) python -m sphinx -M html docs docs/_build --fail-on-warning --keep-going $(ARGS)
	$(IN_TEST) python docs/check_links.py docs/_build/html

measure: $(TEST)/installed
	@$(IN_TEST) python tools/measure.py $(ARGS)

bench bench-quick: $(TEST)/bench $(TEST)/node tests/interop/node_modules/.installed benchmarks/peers/node_modules/.installed
	$(IN_TEST) python benchmarks/compare.py $(if $(filter bench-quick,$@),--quick) \
	  --json benchmarks/results/$@.json --plot benchmarks/results/$@.png $(ARGS)

# The environment of the trial is new each time, and has no Node.js; the wheel is built from the sdist.
dist: $(TEST)/installed $(TEST)/node
	rm -rf dist .venv-dist
	$(IN_TEST) python -m build --outdir dist
	$(IN_TEST) python -m twine check --strict dist/*.whl dist/*.tar.gz
	$(PYTHON) -m venv .venv-dist
	.venv-dist/bin/python $(PIP) dist/*.whl
	cd .venv-dist && env -i HOME="$(CURDIR)/.venv-dist" PATH="$(CURDIR)/.venv-dist/bin" python ../tools/walk.py >/dev/null
	cd .venv-dist && env -i HOME="$(CURDIR)/.venv-dist" PATH="$(CURDIR)/.venv-dist/bin" jupyter server extension list
	cd .venv-dist && env -i HOME="$(CURDIR)/.venv-dist" PATH="$(CURDIR)/.venv-dist/bin" jupyter labextension list
	rm -rf .venv-dist

# Both tools, and the packages that they examine, have environments of their own. The scan needs PyPI itself and npm's own
# registry: mirrors have the packages, but no advisories.
sbom: $(RUN)/installed
	@test -x .venv-sbom/bin/cyclonedx-py || $(PYTHON) -m venv .venv-sbom
	@.venv-sbom/bin/python $(PIP) "cyclonedx-bom>=7,<8" "pip-audit>=2.9,<3"
	@mkdir -p dist
	.venv-sbom/bin/cyclonedx-py environment $(RUN) --no-validate --pyproject pyproject.toml --mc-type library --output-reproducible --of JSON -o dist/sbom.json
	.venv-sbom/bin/pip-audit --path $$($(RUN)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
	cd labextension && PATH="$(CURDIR)/$(RUN)/bin:$$PATH" jlpm npm audit --environment production --recursive

clean:
	rm -rf .venv-sbom .venv-dist $(RUN) $(TEST) $(LOWEST) dist docs/_build docs/notebooks labextension/lib labextension/node_modules $(GENERATED)
	rm -rf tests/interop/node_modules benchmarks/peers/node_modules tests/artefacts benchmarks/results .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage htmlcov

$(RUN)/bin/python $(TEST)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "jupyter_rtmsg needs Python 3.10 or newer: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -m venv $(@:/bin/python=) || \
	  { rm -rf $(@:/bin/python=); echo "Python's venv is missing: on Debian or Ubuntu, apt install python3-venv" >&2; exit 1; }

$(RUN)/installed: $(RUN)/bin/python $(PACKAGE) $(FRONTEND) $(BUILD)
	@$(RUN)/bin/python _build/install.py examples
	@touch $@

# Editable, so that a change of the Python code needs no install.
$(TEST)/installed: $(TEST)/bin/python $(FRONTEND) $(BUILD)
	$(TEST)/bin/python $(PIP) --editable '.[test,examples,dev]'
	@touch $@

# Only the package's own dependencies are held at their floors: not those of the tests.
$(LOWEST)/installed: $(TEST)/installed tools/lowest.py
	test -x $(LOWEST)/bin/python || $(PYTHON) -m venv $(LOWEST)
	$(PYTHON) tools/lowest.py > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/python $(PIP) --constraint $(LOWEST)/constraints.txt --editable '.[test]'
	@touch $@

# What people run beside the extension has an environment of its own: each server there would load it all.
$(TEST)/neighbours/installed: $(TEST)/installed
	@test -x $(@D)/bin/python || $(TEST)/bin/python -m venv $(@D)
	$(@D)/bin/python $(PIP) --editable '.[neighbours]'
	@touch $@

# Beside the tests: the pages need the package with its widgets, and the notebooks a Jupyter server.
$(TEST)/docs: $(TEST)/installed
	$(TEST)/bin/python $(PIP) --editable '.[docs]'
	@touch $@

$(TEST)/bench: $(TEST)/installed
	$(TEST)/bin/python $(PIP) --editable '.[bench]'
	@touch $@

$(TEST)/node: $(TEST)/bin/python _build/node.py
	@need=$$($(IN_TEST) python _build/node.py) && if [ -n "$$need" ]; then $(TEST)/bin/python $(PIP) $$need; fi  # by hash
	@touch $@

labextension/node_modules/.installed: labextension/package.json labextension/yarn.lock $(TEST)/installed $(TEST)/node
	cd labextension && $(IN_TEST) jlpm install --immutable
	@$(TEST)/bin/python _build/bindings.py
	@touch $@

tests/interop/node_modules/.installed: tests/interop/package.json tests/interop/package-lock.json $(TEST)/node
	cd tests/interop && $(IN_TEST) npm ci --no-audit --no-fund --loglevel=error
	@touch $@

# Bun is not for every machine: without it, the benchmarks leave it out.
benchmarks/peers/node_modules/.installed: benchmarks/peers/package.json benchmarks/peers/package-lock.json $(TEST)/node
	-cd benchmarks/peers && $(IN_TEST) npm ci --no-audit --no-fund --loglevel=error
	@mkdir -p $(@D) && touch $@
