# demo · test · lint · types · bench: each sets up what it needs in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SANDBOX := $(VENV)/sandbox-is-installed
TESTS := $(VENV)/tests-are-installed
BENCH := $(VENV)/benchmarks-are-installed
CHECKOV := .venvs/checkov/bin/checkov
SAM := .venvs/sam/bin/sam
LAMBDA := .venvs/lambda/awslambdaric-is-installed

export PHOTO AUTH MINUTES
export PYTHONPATH := functions:.

.PHONY: demo sandbox test lint types format documents bench fuzz soak build test-built lambda-tools

demo: $(SANDBOX)  ## the main job on this machine; PHOTO=path adds a photo of yours, AUTH=scheme chooses the credential
	@$(BIN)/python -m sandbox.demo.__main__

sandbox: $(SANDBOX)  ## the whole stack on this machine, until Ctrl-C
	@$(BIN)/python -m sandbox

soak: $(SANDBOX)  ## 200 uploads through bad weather, and what became of them; longer with MINUTES
	@$(BIN)/python -m sandbox.soak

test: $(TESTS) $(CHECKOV) lambda-tools  ## all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(TESTS)  ## the code; the template's linters run with the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(TESTS)
	$(BIN)/mypy

format: $(TESTS)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

documents: $(TESTS)  ## writes the parts of the documents that come from the code
	$(BIN)/python -m tests.support.documents
	$(BIN)/python -m tests.support.cli_documents

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(SANDBOX): $(BIN)/python sandbox/requirements.txt functions/requirements.txt layers/pillow/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r sandbox/requirements.txt
	@touch $@

$(TESTS): $(SANDBOX) tests/requirements.txt image_ingest_cli/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@touch $@

$(CHECKOV):
	$(PYTHON) -m venv .venvs/checkov
	.venvs/checkov/bin/python -m pip install --quiet --disable-pip-version-check checkov==3.3.30

fuzz: $(TESTS)  ## mutated pictures for MINUTES (5), looking for one that does harm
	$(BIN)/python -m tests.pictures.fuzz --minutes $(or $(MINUTES),5)

bench: $(TESTS) $(BENCH) lambda-tools  ## cold start, throughput, cost and pictures; writes the tables in docs
	$(BIN)/python -m tests.benchmarks.cold_start
	$(BIN)/python -m tests.benchmarks.throughput
	$(BIN)/python -m tests.benchmarks.pictures

$(BENCH): $(TESTS) tests/benchmarks/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/benchmarks/requirements.txt
	@touch $@

build: $(SAM)  ## what Lambda runs, in .aws-sam/build; ARCHITECTURE=x86_64 for the other processor
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=$${AWS_DEFAULT_REGION:-eu-north-1} \
		$(SAM) build --parameter-overrides Architecture=$${ARCHITECTURE:-arm64}

test-built: $(TESTS) lambda-tools  ## what sam build makes, and how it runs under Lambda's runtime
	$(BIN)/python -m pytest tests/e2e/test_built_packages.py tests/e2e/test_built_runtime.py

lambda-tools: $(SAM) $(LAMBDA)  ## SAM with its Lambda emulator, and Lambda's runtime client under Lambda's Python

$(SAM):
	$(PYTHON) -m venv .venvs/sam
	.venvs/sam/bin/python -m pip install --quiet --disable-pip-version-check aws-sam-cli==1.170.0

$(LAMBDA):
	"$$($(PYTHON) layers/build.py python)" -m venv .venvs/lambda
	.venvs/lambda/bin/python -m pip install --quiet --disable-pip-version-check awslambdaric==4.2.2
	@touch $@
