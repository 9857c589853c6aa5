# Two commands matter: `make demo` and `make test`. Everything is installed into .venv.
VENV := .venv
PYTHON := $(VENV)/bin/python
BUILD := build

.PHONY: setup demo test lint bench bench-host results vectors schema fuzz clean

setup:
	@sh tools/setup.sh $(VENV)

demo: setup
	@sh tools/demo.sh $(VENV) $(BUILD)/demo

test: lint
	$(PYTHON) -m pytest -n 2 --dist worksteal

lint: setup
	$(PYTHON) -m ruff check converter models tests tools
	$(PYTHON) -m ruff format --check converter models tests tools
	$(PYTHON) -m mypy

# Instructions, arena and flash on the simulated boards: docs/BENCH.md and the table of README.md. MODELS adds folders.
bench: setup
	$(PYTHON) tools/bench_targets.py --write $(MODELS)

# Encoding and decoding speed and memory of this machine, one core.
bench-host: setup
	$(PYTHON) tools/bench_host.py

# The table of README.md, and docs/RESULTS.md. MODELS adds folders with models of your own.
results: setup
	$(PYTHON) tools/results.py $(MODELS)

# Remake the golden vectors of tests/vectors.
vectors: setup
	$(PYTHON) tools/make_vectors.py

# Remake the schema table after an upgrade of ai-edge-litert.
schema: setup
	$(PYTHON) tools/generate_schema_table.py

# A longer fuzzing run than the one in the tests.
fuzz: setup
	$(PYTHON) tools/fuzz.py --cases 50000
	$(PYTHON) tools/fuzz_native.py --cases 20000

clean:
	rm -rf $(BUILD) $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
