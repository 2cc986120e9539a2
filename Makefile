# make run     serve the bundled site on http://127.0.0.1:8000 (HOST, PORT and every other variable apply)
# make test    run every check and every test
# make help    list all targets

PYTHON ?= python3
BIN := .venv/bin
BENCH_BIN := .venv-bench/bin
PROJECTS_BIN := .venv-projects/bin
SBOM_BIN := .venv-sbom/bin
DATA := $(or $(DJANGO_SITE_DATA),$(shell sed -n 's/^DJANGO_SITE_DATA=//p' .env 2>/dev/null),var)
IMAGE ?= django-static-host

.PHONY: run test azurite check docs projects projects-all fuzz bench bench-static bench-large bench-busy bench-start bench-memory \
    bench-workers bench-django bench-build bench-scale bench-dictionaries bench-references image sbom audit lock clean help
.DELETE_ON_ERROR:

# An interactive shell's Ctrl-C reaches the whole foreground process group, and make would report it as a failure of
# its own. On a terminal the server therefore gets a process group to itself (set -m), ends cleanly, and make ends with 0.
run: .venv/run $(if $(DJANGO_SETTINGS_MODULE),,$(DATA)/site.sqlite3) ## build the static tree and serve
	@$(BIN)/static-host build
	@if [ -t 0 ]; then set -m; $(BIN)/static-host serve; else exec $(BIN)/static-host serve; fi

test: check ## run every check and every test
	$(BIN)/pytest $(PYTEST)

azurite: tests/azurite/node_modules/.installed ## install Azurite, which the tests of Azure's store need (npm needed)

check: .venv/test ## lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	$(BIN)/python docs/generate.py --check

docs: .venv/test ## write the tables of the documentation that are made from the code
	$(BIN)/python docs/generate.py

projects: .venv-projects/run .venv-projects/django/.unpacked tests/real/vite/node_modules/.installed tests/real/packages/node_modules/.installed tests/real/packages/site-packages/.installed ## run real projects (Wagtail, Django's admin, Channels, django-compressor, Vite), build 46 packages' files, and run Django's own tests
	$(PROJECTS_BIN)/pytest tests/real $(PYTEST)

projects-all: .venv-projects/run tests/real/packages/site-packages/.installed ## build every file of those packages, and of Monaco: 570 MB, in 3 minutes
	@cd tests/real/packages && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch tests/real/packages/node_modules/.installed
	EVERYTHING=1 $(PROJECTS_BIN)/pytest tests/real/test_packages.py $(PYTEST)

fuzz: .venv/test ## fuzz the readers of clients' bytes, guided by coverage, for FUZZ_SECONDS (60)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-fuzz.txt
	PYTHONPATH=. $(BIN)/python tests/support/fuzz_origin.py -max_total_time=$(or $(FUZZ_SECONDS),60) -max_len=4096

define serving
@$(BENCH_BIN)/python -m compileall -q app static_build benchmarks -x node_modules
@$(BENCH_BIN)/python -m benchmarks.static $(1) $(BENCH)
endef

bench: .venv-bench/run ## measure serving against nginx, WhiteNoise and others: all of the next six, in 20 minutes (BENCH=--help)
	$(call serving,--chart docs/benchmark.svg)

bench-static: .venv-bench/run ## measure what a static answer costs
	$(call serving,--only static)

bench-large: .venv-bench/run ## measure a file of 100 MB, for fast clients and for slow ones
	$(call serving,--only large)

bench-busy: .venv-bench/run ## measure static files while Django is busy
	$(call serving,--only busy)

bench-start: .venv-bench/run ## measure the time from the start to the first static answer, up to 100,000 files
	$(call serving,--only start)

bench-memory: .venv-bench/run ## measure the memory of a worker
	$(call serving,--only memory)

bench-workers: .venv-bench/run ## measure what a second worker adds
	$(call serving,--only workers)

bench-django: .venv-bench/run ## measure what a request to Django costs, against four other servers (BENCH=--help)
	@$(BENCH_BIN)/python -m compileall -q app static_build benchmarks -x node_modules
	@$(BENCH_BIN)/python -m benchmarks.django $(BENCH)

bench-build: .venv-bench/run benchmarks/node_modules/.installed ## measure the build against WhiteNoise's, in minutes (BENCH=--help)
	@$(BENCH_BIN)/python -m compileall -q app static_build benchmarks -x node_modules
	@$(BENCH_BIN)/python -m benchmarks.build $(BENCH)

bench-scale: .venv-bench/run ## measure the build of 1,000 and of 10,000 files (BENCH=--all: of 100,000)
	@$(BENCH_BIN)/python -m compileall -q app static_build benchmarks -x node_modules
	@$(BENCH_BIN)/python -m benchmarks.scale $(BENCH)

bench-dictionaries: .venv-bench/run benchmarks/versions/node_modules/.installed ## measure what a returning visitor downloads of patch releases of real packages
	@$(BENCH_BIN)/python -m compileall -q app static_build benchmarks -x node_modules
	@$(BENCH_BIN)/python -m benchmarks.dictionaries $(BENCH)

bench-references: .venv-bench/run tests/real/packages/node_modules/.installed ## compare what finds references in scripts and stylesheets: the build's lexers, tree-sitter, tinycss2
	@$(BENCH_BIN)/python -m benchmarks.references

image: ## build the container image, and remove the images of this project that it replaces
	docker build --tag $(IMAGE) .
	docker image prune --force --filter label=org.opencontainers.image.title=django-static-host

# A lock file does not say which package asks for which: the list is flat, and of that cyclonedx-py warns.
sbom: .venv-sbom/run ## write sbom.json: a CycloneDX bill of materials of the locked dependencies, the same bytes each time
	@PYTHONWARNINGS=ignore::UserWarning $(SBOM_BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --output-file sbom.json requirements.txt

audit: .venv-sbom/run ## ask for known vulnerabilities of the locked dependencies; skipped where no service answers
	@$(SBOM_BIN)/python tests/support/audit.py

# npm's lock files: `npm run lock` in benchmarks, benchmarks/versions, tests/azurite, tests/real/packages and tests/real/vite.
lock: ## resolve Python's dependencies anew, for Python 3.11 to 3.14
	$(PYTHON) -m venv .lock-venv
	.lock-venv/bin/pip install --quiet uv
	for part in "requirements.txt --extra metrics --extra store --group build" "requirements-dev.txt --group build --group test" \
	    "requirements-fuzz.txt --group fuzz" "requirements-bench.txt --group build --group bench" \
	    "requirements-projects.txt --group build --group projects" "tests/real/requirements.txt --group real"; do \
	    .lock-venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	        --no-annotate --no-header --output-file $$part pyproject.toml || exit 1; \
	done
	.lock-venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-annotate --no-header --output-file requirements-sbom.txt --group sbom
	.lock-venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-annotate --no-header --no-deps --output-file tests/real/packages/requirements.txt --group packages

clean: ## remove everything that these targets made
	rm -rf .venv .venv-bench .venv-projects .venv-sbom .lock-venv sbom.json .mypy_cache .pytest_cache .ruff_cache \
	    .hypothesis .import_linter_cache *.egg-info build $(DATA) \
	    benchmarks/node_modules benchmarks/versions/node_modules benchmarks/work-* tests/azurite/node_modules \
	    tests/real/packages/node_modules tests/real/packages/site-packages tests/real/vite/node_modules

help: ## list all targets
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile

$(DATA)/site.sqlite3: .venv/run
	@mkdir -p $(DATA)
	@$(BIN)/django-admin migrate --settings static_host_site.settings --verbosity 0
	@touch $@

.venv/run: requirements.txt pyproject.toml
	@echo "Installing the locked dependencies into .venv"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.13")'
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/test: .venv/run requirements-dev.txt
	@echo "Installing the locked tools for the tests into .venv"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-build-isolation -r requirements-dev.txt
	@touch $@

.venv-bench/run: requirements-bench.txt pyproject.toml
	@echo "Installing the locked packages for the benchmarks into .venv-bench"
	@$(PYTHON) -m venv .venv-bench
	@$(BENCH_BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.txt
	@$(BENCH_BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

benchmarks/node_modules/.installed: benchmarks/package.json benchmarks/package-lock.json benchmarks/.npmrc
	@echo "Installing the locked npm packages for the benchmarks into benchmarks/node_modules"
	@cd benchmarks && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

benchmarks/versions/node_modules/.installed: benchmarks/versions/package.json benchmarks/versions/package-lock.json benchmarks/versions/.npmrc
	@echo "Installing the locked versions of npm packages for the benchmark into benchmarks/versions/node_modules"
	@cd benchmarks/versions && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

.venv-sbom/run: requirements-sbom.txt
	@echo "Installing the locked tools for sbom and audit into .venv-sbom"
	@$(PYTHON) -m venv .venv-sbom
	@$(SBOM_BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-sbom.txt
	@touch $@

.venv-projects/run: requirements-projects.txt pyproject.toml
	@echo "Installing the locked packages for the real projects into .venv-projects"
	@$(PYTHON) -m venv .venv-projects
	@$(PROJECTS_BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-build-isolation -r requirements-projects.txt
	@$(PROJECTS_BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Django's tests are not in its wheel. The lock file has the hash of its source archive, too.
.venv-projects/django/.unpacked: .venv-projects/run
	@echo "Downloading the locked Django's own tests into .venv-projects/django"
	@rm -rf $(@D) && mkdir $(@D)
	@sed -n '/^django==/,/[^\\]$$/p' requirements-projects.txt >$(@D)/requirements.txt
	@$(PROJECTS_BIN)/pip download --quiet --disable-pip-version-check --require-hashes --no-deps --no-build-isolation \
	    --no-binary django --dest $(@D) -r $(@D)/requirements.txt
	@tar -xzf $(@D)/django-*.tar.gz -C $(@D) --strip-components=1
	@touch $@

# Azurite asks for a library of telemetry, which the tests switch off: package.json overrides it by a version a tenth as large.
tests/azurite/node_modules/.installed: tests/azurite/package.json tests/azurite/package-lock.json tests/azurite/.npmrc
	@echo "Installing the locked Azurite for the tests into tests/azurite/node_modules"
	@cd tests/azurite && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

tests/real/vite/node_modules/.installed: tests/real/vite/package.json tests/real/vite/package-lock.json tests/real/vite/.npmrc
	@echo "Installing the locked npm packages for the Vite project into tests/real/vite/node_modules"
	@cd tests/real/vite && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

tests/real/packages/node_modules/.installed: tests/real/packages/package.json tests/real/packages/package-lock.json tests/real/packages/.npmrc
	@echo "Installing the locked npm packages whose files a test builds into tests/real/packages/node_modules"
	@cd tests/real/packages && npm ci --omit=optional --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# Their files are read, and nothing of them is imported: without their dependencies.
tests/real/packages/site-packages/.installed: .venv-projects/run tests/real/packages/requirements.txt
	@echo "Installing the locked Python packages whose files a test builds into tests/real/packages/site-packages"
	@rm -rf $(@D)
	@$(PROJECTS_BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps --target $(@D) -r tests/real/packages/requirements.txt
	@touch $@
