# demo · sandbox · test · lint · types · bench: each installs what it needs into .venv and .venvs.

PYTHON ?= python3
BIN := .venv/bin
INSTALL := @$(PYTHON) -m sandbox.tools.install
SAM := .venvs/sam/bin/sam

export PHOTO AUTH MINUTES FOR VIA KEEP STACK OBJECT SAM_LOCAL_FLAGS
export PYTHONPATH := functions:.
unexport PYTHONDONTWRITEBYTECODE  # so that hundreds of processes do not each compile the same

.PHONY: demo sandbox soak test lint types format documents fuzz oracle mutants bench build invoke test-built test-decoder

demo:  ## the main job on this machine; PHOTO=path adds a photo of yours, AUTH=scheme chooses the credential
	$(INSTALL) sandbox
	@$(BIN)/python -m sandbox.demo

sandbox:  ## the whole stack on this machine, until Ctrl-C
	$(INSTALL) sandbox
	@$(BIN)/python -m sandbox

soak:  ## 200 uploads with injected failures, and what became of them; longer with MINUTES
	$(INSTALL) sandbox
	@$(BIN)/python -m sandbox.soak

test:  ## all tests
	$(INSTALL) tests checkov sam lambda chromium webapi
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

lint:  ## the code; the template's linters run with the tests
	$(INSTALL) tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types:
	$(INSTALL) tests
	$(BIN)/mypy

format:
	$(INSTALL) tests
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

documents:  ## writes the parts of the documents that come from the code
	$(INSTALL) tests
	$(BIN)/python -m tests.support.documents
	$(BIN)/python -m tests.support.cli_documents

oracle:  ## the pictures in FOLDER beside what Chromium shows: build/oracle/oracle.md and oracle.png
	$(INSTALL) tests
	$(BIN)/python -m tests.pictures.oracle "$(FOLDER)"

fuzz:  ## mutated pictures for MINUTES (5), looking for one that does harm
	$(INSTALL) tests
	$(BIN)/python -m tests.pictures.fuzz --minutes $(or $(MINUTES),5)

mutants:  ## a random sample of code changes, and those that no test notices; SEED, COUNT; RETRY=report tries those again
	$(INSTALL) tests chromium webapi
	$(BIN)/python -m tests.mutants $(if $(SEED),--seed $(SEED)) $(if $(COUNT),--count $(COUNT)) $(if $(RETRY),--retry $(RETRY))

bench:  ## cold start, throughput, cost and pictures; writes the tables in docs
	$(INSTALL) tests benchmarks sam lambda
	$(BIN)/python -m tests.benchmarks.cold_start
	$(BIN)/python -m tests.benchmarks.throughput
	$(BIN)/python -m tests.benchmarks.pictures

build:  ## what Lambda runs, in .aws-sam/build; ARCHITECTURE=x86_64 for the other processor
	$(INSTALL) --required sam lambda
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=$${AWS_DEFAULT_REGION:-eu-north-1} \
		$(SAM) build --parameter-overrides Architecture=$${ARCHITECTURE:-arm64}

test-decoder:  ## every odd and hostile picture, and code that has taken the decoder over, on this processor
	$(INSTALL) tests
	$(BIN)/python -m pytest tests/unit/picture

invoke:  ## the built function once: PHOTO=file FOR=person/1 [VIA=sam] in the sandbox, or STACK=name OBJECT=s3://bucket/key
	$(INSTALL) --required sandbox sam lambda
	@$(BIN)/python -m sandbox.invoke

test-built:  ## what sam build makes, and how it runs under Lambda's runtime
	$(INSTALL) tests sam lambda
	$(BIN)/python -m pytest tests/e2e/built
