# Two commands matter: `make demo` and `make test`. Everything is installed into .venv.
VENV := .venv
PYTHON := $(VENV)/bin/python
BUILD := build
PYTHON_SOURCES := converter models tests tools kernels examples
C_FOLDERS := kernels runtime native tests tools/qemu_plugin examples
C_SOURCES = $(shell find $(C_FOLDERS) -name build -prune -o -type f \( -name '*.[ch]' -o -name '*.cc' \) -print)
SCRIPTS = $(wildcard tools/*.sh kernels/bench/*.sh)

.PHONY: setup setup-train demo test check sweep lint format bench bench-pool bench-onnx bench-host calibrate vectors \
	schema fuzz clean

setup:
	@sh tools/setup.sh $(VENV)

# Adds PyTorch and what else training needs; about 2 GB.
setup-train: setup
	@sh tools/setup_train.sh $(VENV)

demo: setup
	@sh tools/demo.sh $(VENV) $(BUILD)/demo

test: lint
	$(PYTHON) -m pytest -n 2 --dist worksteal

# While developing: lint and the tests that start no other process and need no board, one case of each.
check: lint
	$(PYTHON) -m pytest --quick -n 2 --dist worksteal

# Networks of others, up to 144 million weights, through every method, lowering, engines and boards: about an hour and 10 GB.
sweep: setup
	$(PYTHON) -m pytest -m sweep

lint: setup
	$(PYTHON) -m ruff check $(PYTHON_SOURCES)
	$(PYTHON) -m ruff format --check $(PYTHON_SOURCES)
	$(PYTHON) -m mypy
	@echo clang-format, shellcheck
	@$(VENV)/bin/clang-format --dry-run -Werror $(C_SOURCES)
	@$(VENV)/bin/shellcheck $(SCRIPTS)

# Format the sources as lint wants them.
format: setup
	$(PYTHON) -m ruff format $(PYTHON_SOURCES)
	$(VENV)/bin/clang-format -i $(C_SOURCES)

# Bytes, instructions, arena and flash of every model by every method on the simulated boards. MODELS adds folders with
# models of your own; WRITE=1 puts the tables and the plot into docs/ and README.md.
bench: setup
	$(PYTHON) -m tools.benchmark $(if $(WRITE),--write) $(MODELS)

# Instructions and bytes of networks with weight pools, against dense ones, on the simulated boards. WRITE=1 puts tables
# and plot into docs/; OPTIONS="--networks resnet-s --pool-size 64" measures less.
bench-pool: setup
	$(PYTHON) -m tools.pool_bench $(if $(WRITE),--write) $(OPTIONS)

# Trained CNNs made PyTorch networks, exported, quantised, rewritten, lowered and run on the simulated boards: bytes, classes
# and instructions. MODELS is a folder of .tflite models, DATA one of samples for them. WRITE=1 puts the tables into docs/.
bench-onnx: setup-train
	$(PYTHON) -m tools.onnx_bench $(if $(WRITE),--write) $(OPTIONS) $(MODELS) $(DATA)

# What commands take before they do anything; time and memory of converting; encoding and decoding speed and memory of
# this machine, one core; what compressed weights cost ONNX Runtime; and rewriting an ONNX model of 3 GB.
bench-host: setup
	$(PYTHON) -m tools.bench_start
	$(PYTHON) -m tools.bench_convert
	$(PYTHON) tools/bench_host.py
	$(PYTHON) tools/bench_onnx_load.py
	$(PYTHON) tools/bench_onnx_rewrite.py

# Calibrate the cost model of -m auto on the simulated boards, and compare its predictions with measurements of networks
# that took no part, the shipped models among them. MODELS adds folders with models of your own; CHECK=1 compares only.
calibrate: setup
	$(PYTHON) tools/calibrate.py $(if $(CHECK),--check) $(MODELS)

# Remake the golden vectors of tests/vectors.
vectors: setup
	$(PYTHON) -m tools.make_vectors

# Remake the schema table after an upgrade of ai-edge-litert.
schema: setup
	$(PYTHON) tools/generate_schema_table.py

# A longer fuzzing run than the one in the tests.
fuzz: setup
	$(PYTHON) tools/fuzz.py --cases 50000
	$(PYTHON) tools/fuzz_onnx.py --cases 20000
	$(PYTHON) tools/fuzz_native.py --cases 20000
	$(PYTHON) tools/fuzz_native.py --cases 5000 --bits 32

clean:
	rm -rf $(BUILD) $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
