# Every command runs under the pinned Node that `make setup` installs.
export PATH := $(CURDIR)/node_modules/node/bin:$(CURDIR)/node_modules/.bin:$(PATH)
.PHONY: help setup run check test test-long bench add golden generate build report

# What is wrong without running anything.
define checks
	biome check .
	node node_modules/typescript-7/bin/tsc -p .
	node scripts/generate.ts --check
	knip
endef

closing := --reporter=default --reporter=./scripts/reporter.ts

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile

setup: ## installs what the checkout needs
	@sh scripts/setup.sh

run: setup ## serves environments/dev of this checkout
	@cli/plumb dev

check: setup ## before a commit: format, lint, types, generated files, dead code, fast tests (floors and conventions among them)
	$(checks)
	vitest run --project fast

test: setup ## every check and test; the last line counts them
	$(checks)
	vitest run --project fast --project e2e $(closing)

test-long: setup ## leaks over thousands of reloads
	vitest run --project long $(closing)

bench: setup ## ratios in one run; writes bench/results/latest.json
	node --expose-gc bench/main.ts

add: setup ## make add P=name [DEV=1]: adds a package under the pinned Node
	@test -n "$(P)" || { echo 'Cannot add a package as it is not named: make add P=name' >&2; exit 1; }
	npm install --save-exact $(if $(DEV),--save-dev) $(P)
	@cp package-lock.json node_modules/.plumb-setup

golden: setup ## rewrites the golden files; review the diff
	GOLDEN=write vitest run --project fast

generate: setup ## rewrites generated files
	node scripts/generate.ts

build: setup ## compiles to dist/
	npm run build

report: setup ## imports between floors, the largest files and functions
	node scripts/report.ts
