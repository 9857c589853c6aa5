"""Run time and size of networks with weight pools, against dense ones, on the simulated boards.

    python -m tools.pool_bench [--networks N …] [--pool-size K …] [--act-bits B …] [--lut L …] [--targets T …] [--write]

Measures every network with every pool, number of bits and place of the look-up table; single layers by every schedule;
and bytes. All outputs are compared with the reference interpreter's. --write makes the tables of docs/WEIGHT_POOLS.md,
docs/pool-speed.svg and docs/pool_bench.json; without it the tables are printed.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path

from tools.pool_bench.measure import Row, Version, measure
from tools.pool_bench.networks import NETWORKS
from tools.pool_bench.plot import draw
from tools.pool_bench.report import as_data, report
from tools.pool_bench.schedules import SHAPES, WAYS, Result, compare
from tools.pool_bench.sizes import sizes
from tools.pool_bench.tables import Measured
from wpconvert.codecs import Lut
from wpconvert.errors import WpconvertError
from wpconvert.model.changed import ACT_BITS
from wpconvert.target.board import boards

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
BEGIN, END = "<!-- bench-pool: begin -->", "<!-- bench-pool: end -->"
TARGETS = ("mps2-m3", "mps2-m4", "corstone300")
SCHEDULE_BITS = (8, 4)
WORKERS = 2


def write(text: str, found: Measured, data: str) -> None:
    """Put the tables into docs/WEIGHT_POOLS.md, and plot and data next to it."""
    path = DOCS / "WEIGHT_POOLS.md"
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    if not begin:
        sys.exit(f"{path} has no line {BEGIN}")
    path.write_text(f"{before}{BEGIN}\n{text}{END}{rest.partition(END)[2]}", encoding="utf-8")
    draw(found, DOCS / "pool-speed.svg")
    (DOCS / "pool_bench.json").write_text(data, encoding="utf-8")


def main() -> None:
    """Print the tables, or put them into the documentation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--pool-size", nargs="+", type=int, choices=range(1, 257), metavar="K", default=[32, 64, 128])
    parser.add_argument(
        "--act-bits", nargs="+", type=int, choices=range(1, ACT_BITS + 1), default=list(range(ACT_BITS, 0, -1))
    )
    parser.add_argument("--lut", nargs="+", choices=[lut.name.lower() for lut in Lut], default=["flash"])
    parser.add_argument("--targets", nargs="+", choices=list(boards()), default=list(TARGETS))
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    start = time.monotonic()
    kinds = product(arguments.pool_size, arguments.act_bits, arguments.lut)
    versions = [None, *(Version(size, bits, lut) for size, bits, lut in kinds)]
    rows: list[Row] = []
    results: list[Result] = []
    try:
        with ProcessPoolExecutor(WORKERS) as pool:
            for network in arguments.networks:
                for found in pool.map(partial(measure, network, targets=arguments.targets), versions):
                    rows += found
                print(f"{network}: {len(versions) * len(arguments.targets)} rows", file=sys.stderr)
            single = list(product(SHAPES, WAYS, SCHEDULE_BITS))
            for counted in pool.map(partial(compare, targets=arguments.targets), *zip(*single, strict=True)):
                results += counted
        stored = list(sizes(arguments.networks, arguments.pool_size))
    except WpconvertError as error:
        sys.exit(f"error: {error}")
    count = len(rows) + len(results)
    print(f"{count} runs in {time.monotonic() - start:.0f} s, outputs bit for bit", file=sys.stderr)
    measured = Measured.of(rows)
    text = "\n".join(report(measured, results, stored))
    if arguments.write:
        write(text, measured, as_data(rows, results, stored))
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
