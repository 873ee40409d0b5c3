# The verbs of the project. `make` alone lists them; the text behind `##` is what it prints.

CARGO ?= cargo
# For `make histories`.
FIRST ?= 0
HISTORIES ?= 100000
SHELL_HISTORIES ?= 1000
# For `make faults`: seeds of each fault alone, and of each pair.
SEEDS ?= 100
PAIRS ?= 10
# For `make seeded-bugs`: at most so many histories until a mistake has to be caught.
MOST ?= 100000
# The version that `make deny` installs where none is installed.
CARGO_DENY_VERSION := 0.20.2

.DEFAULT_GOAL := help

.PHONY: help demo demo-cluster test test-fast test-troubled histories histories-shell tools lint fmt fmt-check doc generate verify deny \
	deny-install bench-release bench-fleet bench-reading bench-suite count-reading faults fuzz mutants image \
	seeded-bugs test-image

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## the story in seconds: the real controller on a simulated API server (needs no Go)
	$(CARGO) run --locked --example demo

demo-cluster: ## the same in two minutes on etcd, Kubernetes and Kueue, all on loopback (KEEP=1 leaves it up)
	$(CARGO) build --locked --bin dislodge --example demo-cluster
	$(CARGO) run --locked --example demo-cluster

test: ## every test, the real control plane included (needs Go; with Python, manifests are scanned, too)
	$(CARGO) test --locked

test-fast: ## every test that needs no Go
	$(CARGO) test --locked -- --skip cluster::

test-troubled: ## each row of the table with a killed controller, and with two that lead (7 minutes)
	$(CARGO) test --locked --test integration -- --ignored cluster::troubled

histories: ## random histories of a whole cluster: HISTORIES of them, from seed FIRST on
	$(CARGO) run --locked --release --package dislodge-sim --example histories -- $(FIRST) $(HISTORIES)

histories-shell: ## the same by the program itself, its shell included: SHELL_HISTORIES of them, from seed FIRST on
	$(CARGO) run --locked --release --example histories-shell -- $(FIRST) $(SHELL_HISTORIES)

faults: ## each fault of the table alone, with each action, and all pairs: SEEDS and PAIRS seeds each
	$(CARGO) run --locked --release --package dislodge-sim --example faults -- $(SEEDS) $(PAIRS)

seeded-bugs: ## random histories with each seeded mistake until one breaks a rule, at most MOST
	$(CARGO) run --locked --release --package dislodge-sim --example seeded-bugs -- $(MOST)

tools: ## build the programs of the test cluster (about 15 minutes once, then seconds)
	$(CARGO) run --locked --package dislodge-testbed --example tools

lint: ## clippy on everything, warnings denied
	$(CARGO) clippy --locked --workspace --all-targets -- --deny warnings

fmt: ## format the Rust code
	$(CARGO) fmt --all

fmt-check: ## fail where `make fmt` would change something
	$(CARGO) fmt --all --check

doc: ## the documentation of the code, warnings denied
	RUSTDOCFLAGS="--deny warnings" $(CARGO) doc --locked --workspace --no-deps

generate: ## write anew what is generated: crds/, pages of docs/, most of deploy/chart/
	BLESS=1 $(CARGO) test --locked --lib crd
	BLESS=1 $(CARGO) test --locked --test integration -- generated::

verify: ## fail where a generated file is stale
	$(CARGO) test --locked --lib crd
	$(CARGO) test --locked --test integration -- generated::

deny: deny-install ## licences, bans and sources of all dependencies
	$(CARGO) deny --locked check --deny warnings licenses bans sources

deny-install: ## install cargo-deny, unless this version is there
	@$(CARGO) deny --version 2>/dev/null | grep -qx 'cargo-deny $(CARGO_DENY_VERSION)' || \
		$(CARGO) install --locked cargo-deny --version $(CARGO_DENY_VERSION)

bench-release: ## measure the release of quota: 15 rounds on the real control plane (20 minutes)
	$(CARGO) bench --locked --bench release

bench-fleet: ## measure memory, CPU and latency with 150,000 Pods and 5,000 events a second (12 minutes)
	$(CARGO) bench --locked --bench fleet

bench-reading: ## measure how fast messages and Pods are read, next to a plain list of keywords
	$(CARGO) bench --locked --package dislodge-engine --bench reading

bench-suite: ## measure how long 1,000 cases of `dislodge test` take
	$(CARGO) bench --locked --package dislodge --bench suite

count-reading: ## count the instructions that reading a message takes, and a plain list (needs valgrind)
	@binary=$$($(CARGO) bench --locked --package dislodge-engine --bench instructions --no-run 2>&1 \
		| sed -n 's/.*(\(.*\)).*/\1/p' | tail -1); \
	count() { valgrind --tool=callgrind --callgrind-out-file=/dev/null "$$binary" "$$@" 2>&1 \
		| sed -n 's/.*Collected : //p'; }; \
	for way in dislodge naive; do \
		few=$$(count "$$way" 10); many=$$(count "$$way" 110); \
		echo "$$way: $$(( (many - few) / 600 )) instructions a message"; \
	done

FUZZ_SECONDS ?= 600

fuzz: ## arbitrary bytes for messages, Pods and inputs, FUZZ_SECONDS each (needs cargo-fuzz and a C++ compiler)
	for target in message pod input; do \
		$(CARGO) fuzz run --sanitizer none "$$target" -- \
			-max_total_time=$(FUZZ_SECONDS) -max_len=40000 -timeout=5 || exit 1; \
	done

mutants: ## change the code of reading and counting a bit at a time: which change does no test see? (an hour)
	$(CARGO) mutants --package dislodge-engine --iterate --output target/mutants

image: ## build the container image as an OCI archive, without a container engine
	deploy/image/build.sh

test-image: ## the image on the real control plane, and two builds of it byte by byte (15 minutes)
	$(CARGO) test --locked --test integration -- --ignored cluster::image
