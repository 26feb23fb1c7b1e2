# Every command runs under the pinned Node that `make setup` installs.
export PATH := $(CURDIR)/node_modules/node/bin:$(CURDIR)/node_modules/.bin:$(PATH)
.PHONY: setup run check test test-long bench add golden generate build

setup: ## installs what the checkout needs
	@sh scripts/setup.sh

run: setup ## serves environments/dev of this checkout
	@cli/plumb dev

check: setup ## format, lint, types, floors, generated files, dead code, fast tests
	biome check .
	node node_modules/typescript-7/bin/tsc -p .
	node scripts/generate.ts --check
	knip
	vitest run --project fast

test: setup ## every check and test; the closing line counts them
	biome check .
	node node_modules/typescript-7/bin/tsc -p .
	node scripts/generate.ts --check
	knip
	vitest run --project fast --project e2e --reporter=default --reporter=./scripts/reporter.ts

test-long: setup ## leaks over thousands of reloads
	vitest run --project long --reporter=default --reporter=./scripts/reporter.ts

bench: setup ## ratios in one run; writes bench/results/latest.json
	node --expose-gc bench/main.ts

add: setup ## make add P=name: adds a package under the pinned Node
	npm install --save-exact $(if $(DEV),--save-dev,) $(P)

golden: setup ## rewrites the golden files; review the diff
	GOLDEN=write vitest run --project fast

generate: setup ## rewrites generated files
	node scripts/generate.ts

build: setup ## compiles to dist/
	npm run build
