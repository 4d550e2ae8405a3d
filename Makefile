# `make` alone lists the targets. cargo, local/install (programs) and the binary `local` (servers)
# do the work.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
LOCAL := target/debug/local
# The file with the values for the docker targets, e.g. `make docker-up ENV_FILE=.env.production`.
ENV_FILE := .env
COMPOSE = docker compose --env-file $(ENV_FILE)

.PHONY: help deps build run run-api run-worker stop test faults fuzz record-histories contract lint verify-aws bench clean db-migrate db-connect db-reset start-full-stack stop-full-stack docker-build docker-up docker-down docker-logs docker-clean ready services

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## Install what is missing (Temporal, AWS emulator, Postgres, npm packages) into .local
	@local/install

build: ## Build everything
	@local/install node page
	@web/build-page
	@cargo build --workspace

run: ready ## Run OrderFlow: all servers, worker and api, until Ctrl-C (TRACES=1: and Jaeger)
	@$(LOCAL) up

run-api: build ## Run only api, on running servers (make services)
	@target/debug/api

run-worker: build ## Run only the worker, on running servers (make services)
	@target/debug/worker run

services: ready ## Run only Postgres, Temporal and the AWS emulator, until Ctrl-C
	@$(LOCAL) up --services

stop: ## Stop everything that runs
	@[ ! -x $(LOCAL) ] || $(LOCAL) stop

start-full-stack: ready ## Run OrderFlow in the background; returns when it is ready
	@$(LOCAL) up --background

stop-full-stack: stop ## Stop OrderFlow that runs in the background

test: ready ## Run all tests
	@local/install browser page-test cargo-lambda stripe-mock prometheus
	@PATH="$$PWD/.local/bin:$$PATH" npm test --silent --prefix web
	@RUST_TEST_THREADS=$${RUST_TEST_THREADS:-$$((3 * $$(getconf _NPROCESSORS_ONLN)))} cargo test --workspace

faults: ready ## Run 10,000 orders under fault injection, and audit each (FAULTS_ORDERS, FAULTS_SEED, FAULTS_OTHER_WORKER)
	@cargo test --workspace --test all -- --ignored --nocapture faults::suite::

fuzz: ## Send random requests to the API within one process, for an hour (FUZZ_S, FUZZ_SEED)
	@FUZZ_S=$${FUZZ_S:-3600} cargo test --workspace --test http -- --nocapture fuzz::

record-histories: ready ## Record missing workflow histories (tests/tests/all/histories.rs says when)
	@cargo test --workspace --test all -- --ignored histories::record histories::shipped::record histories::long::record

contract: ## Generate functions/openapi.json, docs/events, docs/states.md, docs/metrics.md and the dashboards; append to migrations/released.txt
	@UPDATE_CONTRACT=1 cargo test --quiet --workspace --lib --test contract is_up_to_date

lint: ## Check formatting, clippy, types, dependencies, and the determinism of the orders crate
	@local/install rust cargo-deny node page
	cargo fmt --all --check
	local/check-determinism
	@PATH="$$PWD/.local/bin:$$PATH" npm run check --silent --prefix web
	local/check-dependencies
	local/check-links
	cargo clippy --workspace --all-targets -- -D warnings

verify-aws: ## Check the AWS templates, build the functions, and run them in the emulator
	@infra/verify

bench: ready ## Measure throughput and cost per order (N, C, PEER: bench/README.md)
	@target/image/bench orders

clean: stop ## Remove build results, local data and logs (installed programs stay)
	@[ ! -x $(LOCAL) ] || $(LOCAL) clean
	@rm -rf web/dist
	@cargo clean

db-migrate: build ## Bring the local database's schema up to date, and seed an empty catalogue
	@target/debug/worker migrate --seed

db-connect: build ## Open psql on the local database
	@local/install psql
	@$(LOCAL) db-connect

db-reset: build ## Empty the local database, tables and queues, end all workflows, and migrate again
	@$(LOCAL) db-reset

docker-build: $(ENV_FILE) ## Build the images of worker and api
	@$(COMPOSE) build

docker-up: docker-build ## Run OrderFlow in containers; returns when it is ready
	@$(COMPOSE) up --detach --wait

docker-down: $(ENV_FILE) ## Remove the containers; the data stays
	@$(COMPOSE) down --remove-orphans

docker-logs: $(ENV_FILE) ## Follow the containers' logs
	@$(COMPOSE) logs --follow --tail 100

docker-clean: $(ENV_FILE) ## Remove the containers, the data and the built images
	@$(COMPOSE) down --remove-orphans --volumes
	@docker image rm --force orderflow-worker orderflow-api >/dev/null 2>&1 || true

.env:
	@cp env.example .env

# Local mode uses the development profile, which compiles quickly. Benchmarks measure programs that
# are compiled like those of the images (profile `image`).
PROGRAMS := --workspace --bin api --bin local --bin worker
test faults record-histories: PROGRAMS := --workspace
bench: PROGRAMS := --profile image -p bench -p functions -p worker --bin api --bin bench --bin worker

# Installs programs and builds the page while cargo compiles. If one of these steps fails, it stops
# the compiler.
ready:
	@local/install rust
	@cargo build $(PROGRAMS) & building=$$!; \
	trap 'kill $$building 2>/dev/null' EXIT INT TERM; \
	local/install node page postgres temporal emulator $(if $(filter 1,$(TRACES)),jaeger) && web/build-page && wait $$building
