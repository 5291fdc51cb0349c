# Everything a person types. `make help` lists it.
SHELL := /bin/bash
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
# Debian's own Python is built with profiles of its use: what runs on it takes a fifth less of the
# processor than on one that was just compiled.
export UV_PYTHON ?= $(firstword $(wildcard /usr/bin/python3.11) 3.11)
RUN := $(UV) run --no-sync
# In CI the slowest tests are named.
PYTEST := $(RUN) pytest $(if $(CI),--durations=20)
# A worker a core; one that has nothing left takes of the other's.
TWO := -n 2 --dist worksteal
# More workers than cores where tests also wait; what shares a server or a process is one's.
FOUR := -n 4 --dist loadgroup

.DEFAULT_GOAL := help
.PHONY: help setup lint format types layers check test-unit test-functional fuzz \
	test-functional-gateway test-functional-network test-e2e test-e2e-pods test-e2e-vxlan \
	test-e2e-federated test-e2e-dashboard test-e2e-adopted test-quickstart test-ecosystem \
	test-changed test bench-networks \
	bench-hang bench-sql bench-ports bench-many bench-routed bench-lists bench-tokens bench-creates tempest-network tempest-neutron \
	network-extensions tempest-compute tempest-scenario tempest-volume tempest-cinder demo lab-up lab-down samples clean

help: ## List what can be made
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-24s %s\n", $$1, $$2}'

.uv/bin/uv:
	python3 -m venv .uv
	.uv/bin/pip install --quiet uv

setup: $(if $(findstring .uv,$(UV)),.uv/bin/uv) ## Install what Tricircle and its tests need (Python packages, locked)
	$(UV) sync --quiet --locked

lint: setup ## Style and common mistakes
	$(RUN) ruff check .
	$(RUN) ruff format --check .

format: setup ## Mend style
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

types: setup ## Types, strictly
	$(RUN) mypy

layers: setup ## Imports run downward only
	$(RUN) lint-imports

check: ## Style, types and layers, side by side
	$(MAKE) --no-print-directory --jobs=3 --keep-going --output-sync lint types layers

test-unit: setup ## Fast tests, no I/O beyond the process (seconds)
	$(PYTEST) -q $(TWO) tests/unit

test-functional: test-functional-gateway test-functional-network ## Our processes against fake pods that speak real HTTP (minutes)

test-functional-gateway: setup ## The functional tests of the gateway
	$(PYTEST) -q $(FOUR) --tb=native --ignore=tests/functional/network tests/functional

# What loads Neutron runs in processes of its own: its configuration is one a process. One process
# more than cores: now and then each waits for a worker of xjob to look.
test-functional-network: setup ## The functional tests of central Neutron and xjob
	$(PYTEST) -q -n 3 --dist worksteal --tb=native tests/functional/network

fuzz: setup ## 20,000 hostile requests to all APIs (2 minutes); FUZZ_COUNT and FUZZ_SEED choose others
	FUZZ_COUNT=$${FUZZ_COUNT:-20000} $(RUN) pytest -q --tb=line tests/functional/gateway/test_fuzz.py

# Three at a time, for much of it is waiting, in the order of tests/e2e/order.py; what needs the lab for itself, or the one
# external network, says so.
THREE := -n 3 --dist loadgroup --no-loadscope-reorder

test-e2e: setup ## Everything on real pods; labs that are up are reused
	$(PYTEST) -v $(THREE) tests/e2e tests/e2e_vxlan

test-e2e-pods: setup
	$(PYTEST) -v $(THREE) tests/e2e

# Pods with Neutron's own agents are a lab of their own.
test-e2e-vxlan: setup
	$(PYTEST) -v tests/e2e_vxlan

test-e2e-federated: setup ## One region over a pod with our Keystone and one with its own; FEDERATED_KIND is managed, credentials, k2k or jwt
	FEDERATED_KIND=$${FEDERATED_KIND:-managed} $(PYTEST) -v tests/e2e_federated

test-quickstart: setup ## docs/quickstart.md as it is written, over two pods, from the wheel (minutes; not part of `make test`)
	$(PYTEST) -v tests/quickstart

test-ecosystem: setup ## Ansible: its collection over the region, our role; a backup is brought back (minutes; not part of `make test`)
	$(PYTEST) -v tests/ecosystem

test-e2e-adopted: setup ## A pod joins with a tenant in it, who notices nothing (minutes; not part of `make test`)
	$(PYTEST) -v tests/e2e_adopted

test-e2e-dashboard: setup ## Horizon over the region in a real browser (minutes; not part of `make test`)
	$(PYTEST) -v tests/e2e_dashboard

test-changed: setup ## The quick tests of what differs from main, by imports
	$(RUN) python -m tests.changed

test: setup ## All checks and tests, what failed and what each took: what CI runs (TEST_MINUTES at most, 80)
	$(RUN) python -m tests.stages

lab-up: setup ## Bring up two real pods and Tricircle over them
	$(RUN) lab up --tricircle

lab-down: setup ## Take the lab down
	$(RUN) lab down

tempest-compute: setup ## OpenStack's own compute API tests, on the region beside a pod (an hour)
	$(RUN) lab --name api up --profile fake --tricircle
	$(RUN) lab --name api parity compute

tempest-scenario: setup ## OpenStack's own scenario tests, on the region beside a pod (15 minutes)
	$(RUN) lab --name api up --profile fake --tricircle
	$(RUN) lab --name api parity scenario

tempest-network: setup ## OpenStack's own network API tests, on the region beside a pod (20 minutes)
	$(RUN) lab --name api up --profile fake --tricircle
	$(RUN) lab --name api parity network

tempest-neutron: setup ## Neutron's own API tests, on the region beside a pod (40 minutes)
	$(RUN) lab --name api up --profile fake --tricircle
	$(RUN) lab --name api parity neutron

network-extensions: setup ## The table of the region's extensions of the Networking API, beside a pod's
	WRITE_TABLES=1 $(RUN) pytest -q tests/functional/network/plugins/test_extensions.py

tempest-volume: setup ## OpenStack's own volume API tests, on the region beside a pod (15 minutes)
	$(RUN) lab --name api up --profile fake --tricircle
	$(RUN) lab --name api parity volume

tempest-cinder: setup ## Cinder's own API tests, on the region beside a pod (10 minutes)
	$(RUN) lab --name api up --profile fake --tricircle
	$(RUN) lab --name api parity cinder

demo: setup ## Two real clouds as one, with the stock openstack client (8 minutes at most)
	$(RUN) python -m lab.demo

bench-networks: setup ## Time networks and routers on a lab that is up
	$(RUN) python -m bench.networks

bench-hang: setup ## What one silent pod of ten does to the other users of central Neutron (4 minutes)
	$(RUN) python -W ignore -m bench.hang --without

bench-ports: setup ## 1,000 ports in 10 simulated pods, on a lab that is up
	$(RUN) python -m bench.ports

bench-many: setup ## 8 and 40 servers on a network by one request, in the region and in a pod, on a lab that is up
	$(RUN) python -m bench.many

bench-sql: setup ## What databases look through for what is asked again and again, with 100,000 ports (5 minutes)
	$(RUN) python -W ignore -m bench.sql

bench-routed: setup ## What one routed request costs, of servers and volumes, beside other proxies (6 minutes)
	$(RUN) python -W ignore -m bench.routed

bench-lists: setup ## Pages of 1,000 out of 1,000,000 servers and volumes in up to 100 simulated pods (20 minutes)
	$(RUN) python -W ignore -m bench.lists

bench-tokens: setup ## What 10,000 tokens take of a gateway's memory, in a region of 100 pods (1 minute)
	$(RUN) python -W ignore -m bench.tokens

bench-creates: setup ## 500 clients create servers, then volumes, while simulated pods fail; all are counted
	$(RUN) python -W ignore -m bench.creates

samples: setup ## Write docs/samples/ anew from the code
	$(RUN) oslo-config-generator --config-file etc/config-generator.conf
	$(RUN) oslopolicy-sample-generator --config-file etc/policy-generator.conf
	$(RUN) python etc/options_page.py > docs/options.md

clean: ## Remove what the tools left
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache dist build
