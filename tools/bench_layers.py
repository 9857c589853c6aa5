"""Single layers on a simulated Cortex-M55, instructions and modelled cycles of the kernel's call.

    python tools/bench_layers.py [--only TEXT] [--functions]

The layers are those of `kernels/tests/gemm_cases.py --layers`, random with a fixed seed; every output is compared with
the reference interpreter's. Where tools/published_layers.json has instructions of the same shape and sparsity, they
stand beside. --functions splits each layer by function.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from wpconvert.benchmark.counts import Executions, parse_counts
from wpconvert.benchmark.cycles import cost_table, model_cycles
from wpconvert.benchmark.disassembly import disassemble
from wpconvert.benchmark.plugin import build_plugin, plugin_arguments
from wpconvert.benchmark.program import Program, load_program
from wpconvert.errors import ToolError

ROOT = Path(__file__).resolve().parent.parent
PUBLISHED = json.loads((ROOT / "tools" / "published_layers.json").read_text(encoding="utf-8"))
CORE, CLOCK = "m55", "port_ticks"
# What the runner of the cases executes between two readings of the clock besides the kernel.
AROUND = (CLOCK, "main", "run_case", "instructions", "__aeabi_uldivmod", "__udivmoddi4")
_CASE = re.compile(r"^(.+?) +\d+ instructions, +\d+ / 1000 MAC, scratch +(\d+) $", re.MULTILINE)
_METHOD = re.compile(r" (?:dcsr|rle)(?=\d+$)")


@dataclass(frozen=True)
class Row:
    """One layer. functions: instructions and modelled cycles by function."""

    name: str
    scratch_nbytes: int
    instructions: int
    cycles: int
    functions: dict[str, tuple[int, int]]

    @property
    def published(self) -> list[int | None]:
        """Instructions of others for this shape and sparsity."""
        found: list[int | None] = PUBLISHED["layers"].get(_METHOD.sub(" ", self.name), [None] * 3)
        return found


def run(arguments: list[str], environment: dict[str, str]) -> str:
    """What the program writes, to both streams; ToolError if it failed."""
    result = subprocess.run(
        arguments, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if result.returncode != 0:
        raise ToolError(f"{arguments[0]} ended with {result.returncode}:\n{result.stdout}")
    return result.stdout


def measure(only: str) -> list[Row]:
    """All layers whose name holds the text. ToolError if an output differs or a tool fails."""
    with tempfile.TemporaryDirectory(prefix="wpconvert-") as folder:
        cases, out = Path(folder) / "layers.cases", Path(folder) / "counts.txt"
        generator = ROOT / "kernels" / "tests" / "gemm_cases.py"
        run([sys.executable, str(generator), str(cases), "--layers", "--only", only], {})
        script = ["sh", str(ROOT / "kernels" / "bench" / "run.sh"), CORE, str(cases)]
        run(script, {"WPK_OUT": folder})
        program = load_program(Path(folder) / "cases.elf")
        plugin = plugin_arguments(build_plugin(), out, [program.symbols[CLOCK] & ~1])
        text = run(script, {"WPK_OUT": folder, "WPK_QEMU_FLAGS": " ".join(plugin)})
        intervals = parse_counts(out.read_text(encoding="ascii")).intervals
        table = cost_table("cortex-m55")
        code = disassemble(Path(folder) / "cases.elf", table.machine)
        # The clock is read before and after each layer; each reading starts an interval.
        rows = []
        for (name, scratch), interval in zip(_CASE.findall(text), intervals[1::2], strict=True):
            executions = Counter({a: n for a, n in interval.executions.items() if program.function_at(a) not in AROUND})
            cycles = model_cycles(executions, code, table).cycles
            rows.append(_row(name, int(scratch), executions, cycles, program))
    return rows


def _row(name: str, scratch_nbytes: int, executions: Executions, cycles: Mapping[int, int], program: Program) -> Row:
    functions: dict[str, tuple[int, int]] = {}
    for address, count in executions.items():
        function = program.function_at(address)
        before = functions.get(function, (0, 0))
        functions[function] = before[0] + count, before[1] + cycles[address]
    return Row(name, scratch_nbytes, executions.total(), sum(cycles.values()), functions)


def lines(rows: list[Row], functions: bool) -> Iterator[str]:
    """A Markdown table."""
    head = ["layer", "instructions", "modelled cycles", "scratch", *PUBLISHED["columns"]]
    yield "| " + " | ".join(head) + " |"
    yield "| --- |" + " --: |" * (len(head) - 1)
    for row in rows:
        numbers = [row.instructions, row.cycles, row.scratch_nbytes, *row.published]
        yield f"| {row.name} | " + " | ".join("" if n is None else f"{n:,}" for n in numbers) + " |"
        if functions:
            for name, (instructions, cycles) in sorted(row.functions.items(), key=lambda item: -item[1][1]):
                yield f"| · {name} | {instructions:,} | {cycles:,} |" + " |" * (len(head) - 3)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="layers whose name holds this")
    parser.add_argument("--functions", action="store_true", help="split each layer by function")
    arguments = parser.parse_args()
    try:
        rows = measure(arguments.only)
    except ToolError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(lines(rows, arguments.functions)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
