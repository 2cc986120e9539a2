# make run     build the bundled site's static tree, serve it on http://127.0.0.1:8000 (HOST, PORT … change that)
# make test    run every check, and the tests that need no browser and no Docker
# make help    list all targets
#
# Lock files: requirements/*.txt for Python, package-lock.json for npm. CONTRIBUTING.md says which is for what.

PYTHON ?= python3
BIN := .venv/bin
PROJECTS_BIN := .venv-projects/bin
SBOM_BIN := .venv-sbom/bin
DATA := $(or $(DJANGO_SITE_DATA),$(shell sed -n 's/^DJANGO_SITE_DATA=//p' .env 2>/dev/null),var)
IMAGE ?= django-static-host
WORKERS ?= -n 4 --dist worksteal
SLOW := browser or docker or slow

.PHONY: run test unit slow azurite check docs projects projects-all fuzz mutants bench bench-small bench-static bench-large bench-busy bench-start \
    bench-memory bench-workers bench-proxy bench-pages bench-files bench-django bench-build bench-scale bench-dictionaries bench-references image sbom audit lock clean help
.DELETE_ON_ERROR:

# Ctrl-C on a terminal reaches the whole foreground process group, and make would report an error of its own. So the
# server gets a process group of its own there (set -m): it stops cleanly, and make exits with 0.
run: .venv/run $(if $(DJANGO_SETTINGS_MODULE),,$(DATA)/site.sqlite3) ## build the static tree and serve
	@$(BIN)/static-host build
	@if [ -t 0 ]; then set -m; $(BIN)/static-host serve; else exec $(BIN)/static-host serve; fi

test: check ## run every check and the tests, but for those of `make slow` and `make projects`
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest $(WORKERS) -m "not ($(SLOW))" $(PYTEST)

# What Python compiles is kept, whatever the environment says: to compile the tests takes longer than to run these.
unit: .venv/test ## run the tests that need no build, server, browser or Docker, in seconds
	@PYTHONDONTWRITEBYTECODE= $(BIN)/pytest $(WORKERS) -m "not (build or server or $(SLOW))" $(PYTEST)

slow: .venv/test ## run the tests that `make test` leaves out: browser, Docker, long runs
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest $(WORKERS) -m "$(SLOW)" $(PYTEST)

azurite: tests/azurite/node_modules/.installed ## install Azurite, which the tests of Azure's object store need (needs npm)

check: .venv/test ## run the linters: style, format, types, import contracts, Dockerfile
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin -p static_host -p static_host_build -p static_host_django -p static_host_site
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	$(BIN)/python docs/generate.py --check

docs: .venv/test ## write the tables of the documentation that are made from the code
	$(BIN)/python docs/generate.py

projects: .venv-projects/run .venv-projects/django/.unpacked tests/real/vite/node_modules/.installed tests/real/packages/node_modules/.installed tests/real/packages/site-packages/.installed ## serve real projects, build the files of 46 packages, run Django's own tests (needs npm)
	$(PROJECTS_BIN)/pytest tests/real -n 2 --dist loadfile $(PYTEST)

# Oscar's sandbox and cookiecutter-django are in no package: OSCAR_SANDBOX and COOKIECUTTER_DJANGO name their directories.
projects-all: .venv-projects/run tests/real/packages/site-packages/.installed ## serve the largest projects from images, too; build every file of those packages and of Monaco: 570 MB
	@cd tests/real/packages && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch tests/real/packages/node_modules/.installed
	EVERYTHING=1 $(PROJECTS_BIN)/pytest $(addprefix tests/real/test_,packages.py zoo.py skins.py shop.py cookiecutter.py) \
	    -n 2 --dist loadfile --durations 0 --durations-min 1 $(PYTEST)

fuzz: .venv/test ## fuzz the parsers of clients' bytes for FUZZ_SECONDS (60), guided by coverage
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/fuzz.txt
	PYTHONPATH=. $(BIN)/python tests/support/fuzz_origin.py -max_total_time=$(or $(FUZZ_SECONDS),60) -max_len=4096

mutants: .venv/test ## change the code in one place at a time: nine in ten changes must fail a test (MUTANTS="MODULE …" for some)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/mutants.txt
	PYTHONPATH=. $(BIN)/python tests/support/mutants.py $(MUTANTS)

define serving
@$(PROJECTS_BIN)/python -m compileall -q app static_build benchmarks -x node_modules
@$(PROJECTS_BIN)/python -m benchmarks.static $(1) $(BENCH)
endef

bench: .venv-projects/run ## measure serving against nginx, WhiteNoise and others: bench-static to bench-files, 30 minutes (BENCH=--help)
	$(call serving)

bench-small: .venv-projects/run ## measure the CPU time of a static response, with the access log and without, beside nginx
	$(call serving,--only small)

bench-static: .venv-projects/run ## measure the same, and without the log the servers that Django projects use
	$(call serving,--only static)

bench-large: .venv-projects/run ## measure a file of 100 MB, with fast clients and with slow ones
	$(call serving,--only large)

bench-busy: .venv-projects/run ## measure static files while Django is busy
	$(call serving,--only busy)

bench-start: .venv-projects/run ## measure the time from start to first static response, up to 100,000 files
	$(call serving,--only start)

bench-memory: .venv-projects/run ## measure the memory of the front, and of all processes
	$(call serving,--only memory)
	$(call serving,--only processes)

bench-workers: .venv-projects/run ## measure what a second worker adds
	$(call serving,--only workers)

bench-proxy: .venv-projects/run ## measure a request to Django with access logs on, beside nginx in front of gunicorn
	$(call serving,--only proxy)

bench-pages: .venv-projects/run ## measure a page of 20 kB in each content coding, beside GZipMiddleware and nginx
	$(call serving,--only pages)

bench-files: .venv-projects/run ## measure files that views send, MEDIA and uploads, beside gunicorn and nginx
	$(call serving,--only files)

bench-django: .venv-projects/run ## measure the CPU time of a request to Django, against four other servers (BENCH=--help)
	@$(PROJECTS_BIN)/python -m compileall -q app static_build benchmarks -x node_modules
	@$(PROJECTS_BIN)/python -m benchmarks.django $(BENCH)

bench-build: .venv-projects/run benchmarks/node_modules/.installed ## measure the build against WhiteNoise's, 10 minutes (BENCH=--help)
	@$(PROJECTS_BIN)/python -m compileall -q app static_build benchmarks -x node_modules
	@$(PROJECTS_BIN)/python -m benchmarks.build $(BENCH)

bench-scale: .venv-projects/run ## measure the build of 1,000 and of 10,000 files (BENCH=--all: of 100,000)
	@$(PROJECTS_BIN)/python -m compileall -q app static_build benchmarks -x node_modules
	@$(PROJECTS_BIN)/python -m benchmarks.scale $(BENCH)

bench-dictionaries: .venv-projects/run benchmarks/versions/node_modules/.installed ## measure what a returning visitor downloads of patch releases of real packages
	@$(PROJECTS_BIN)/python -m compileall -q app static_build benchmarks -x node_modules
	@$(PROJECTS_BIN)/python -m benchmarks.dictionaries $(BENCH)

bench-references: .venv-projects/run tests/real/packages/node_modules/.installed ## compare the build's lexers with tree-sitter and tinycss2
	@$(PROJECTS_BIN)/python -m benchmarks.references

image: ## build the container image, remove the image that it replaces
	docker build --tag $(IMAGE) .
	docker image prune --force --filter label=org.opencontainers.image.title=django-static-host

# cyclonedx-py warns that the list is flat: a lock file does not say which package needs which.
sbom: .venv-sbom/run ## write sbom.json, a CycloneDX bill of materials of the image's Python packages
	@PYTHONWARNINGS=ignore::UserWarning $(SBOM_BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --output-file sbom.json requirements/run.txt

audit: .venv-sbom/run ## look for known vulnerabilities in those packages; skipped where no service answers
	@$(SBOM_BIN)/python tests/support/audit.py

# npm's lock files: `npm run lock` in benchmarks, benchmarks/versions, tests/azurite, tests/real/packages, tests/real/vite.
lock: ## resolve the Python dependencies anew into requirements/, for Python 3.11 to 3.14; those of projects from 3.10
	$(PYTHON) -m venv .lock-venv
	.lock-venv/bin/pip install --quiet --disable-pip-version-check uv
	$(call resolve,run,--extra metrics --extra store --group build pyproject.toml)
	$(call resolve,test,--group build --group test pyproject.toml)
	$(call resolve,projects,--group build --group bench --group projects pyproject.toml)
	$(call resolve,real,--group real pyproject.toml)
	$(call resolve,cookiecutter,--group cookiecutter,3.13)
	$(call resolve,shop,--group shop,3.13)
	$(call resolve,zoo,--group zoo,3.13)
	$(call resolve,older,--group older,3.10)
	$(call resolve,newest,--group newest,3.10)
	$(call resolve,oldest,--no-deps --group oldest)
	$(call resolve,packages,--no-deps --group packages)
	$(call resolve,fuzz,--group fuzz)
	$(call resolve,mutants,--constraint requirements/test.txt --group mutants)
	$(call resolve,sbom,--group sbom)

define resolve
.lock-venv/bin/uv pip compile --quiet --upgrade --universal --python-version $(or $(3),3.11) --generate-hashes --no-annotate \
    --no-header --no-emit-index-url --output-file requirements/$(1).txt $(2)
endef

clean: ## remove everything that these targets make
	rm -rf .venv .venv-projects .venv-versions .venv-sbom .lock-venv .mutants sbom.json .mypy_cache .pytest_cache .ruff_cache \
	    .hypothesis .import_linter_cache *.egg-info build $(DATA) \
	    benchmarks/node_modules benchmarks/versions/node_modules benchmarks/work-* tests/azurite/node_modules \
	    tests/real/packages/node_modules tests/real/packages/site-packages tests/real/vite/node_modules

help: ## list all targets
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile

$(DATA)/site.sqlite3: .venv/run
	@mkdir -p $(DATA)
	@$(BIN)/django-admin migrate --settings static_host_site.settings --verbosity 0
	@touch $@

.venv/run: requirements/run.txt pyproject.toml
	@echo "Installing the locked dependencies into .venv"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.13")'
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/test: .venv/run requirements/test.txt
	@echo "Installing the locked tools for the tests into .venv"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-build-isolation -r requirements/test.txt
	@touch $@

benchmarks/node_modules/.installed: benchmarks/package.json benchmarks/package-lock.json benchmarks/.npmrc
	@echo "Installing the locked npm packages for the benchmarks into benchmarks/node_modules"
	@cd benchmarks && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

benchmarks/versions/node_modules/.installed: benchmarks/versions/package.json benchmarks/versions/package-lock.json benchmarks/versions/.npmrc
	@echo "Installing the locked versions of npm packages for the benchmark into benchmarks/versions/node_modules"
	@cd benchmarks/versions && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

.venv-sbom/run: requirements/sbom.txt
	@echo "Installing the locked tools for sbom and audit into .venv-sbom"
	@$(PYTHON) -m venv .venv-sbom
	@$(SBOM_BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/sbom.txt
	@touch $@

.venv-projects/run: requirements/projects.txt pyproject.toml
	@echo "Installing the locked packages for real projects and benchmarks into .venv-projects"
	@$(PYTHON) -m venv .venv-projects
	@$(PROJECTS_BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-build-isolation -r requirements/projects.txt
	@$(PROJECTS_BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Django's wheel does not have Django's tests, so they come from its source archive, whose hash the lock file has, too.
.venv-projects/django/.unpacked: .venv-projects/run
	@echo "Downloading the locked Django's own tests into .venv-projects/django"
	@rm -rf $(@D) && mkdir $(@D)
	@sed -n '/^django==/,/[^\\]$$/p' requirements/projects.txt >$(@D)/requirements.txt
	@$(PROJECTS_BIN)/pip download --quiet --disable-pip-version-check --require-hashes --no-deps --no-build-isolation \
	    --no-binary django --dest $(@D) -r $(@D)/requirements.txt
	@tar -xzf $(@D)/django-*.tar.gz -C $(@D) --strip-components=1
	@touch $@

# Azurite depends on a telemetry library, which the tests switch off: package.json replaces it by a version a tenth as large.
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

# Only the static files of these packages are read, nothing is imported: so --no-deps.
tests/real/packages/site-packages/.installed: .venv-projects/run requirements/packages.txt
	@echo "Installing the locked Python packages whose files a test builds into tests/real/packages/site-packages"
	@rm -rf $(@D)
	@$(PROJECTS_BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps --target $(@D) -r requirements/packages.txt
	@touch $@
