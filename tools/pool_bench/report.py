"""The generated part of docs/WEIGHT_POOLS.md."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from tools.pool_bench import tables
from tools.pool_bench.measure import TYPICAL_SIZE, Row
from tools.pool_bench.schedules import IDLE, Result
from tools.pool_bench.sizes import Size
from tools.pool_bench.stock import STOCK
from tools.pool_bench.tables import MANY_FILTERS, Measured, core

COMMAND = "make bench-pool"

_HEAD = """\
## Run time

Made by `{command}`; the same numbers as data: [pool_bench.json](pool_bench.json). The networks have the shapes of
`wptrain`'s, TinyConv one input channel and 100 classes, the others three and ten. Their weights are random vectors of
a pool, for nothing has to be trained: instructions depend on shapes, hardly on values. All convolutions are pooled but
the first, and those that would not shrink.

Instructions are measured: one inference on a simulated board, exact. Every output was the reference interpreter's, bit
for bit. Only the cycles in [one table](#cycles-and-memory) are modelled ([CYCLE_MODEL.md](CYCLE_MODEL.md)).

- **stock**: {provenance}, on the dense network. {how}
- **dense**: the bundled runtime on the dense network.
- **K**: vectors of the pool. **LUT**: where the look-up table is, `--lut`. **B**: bits of an activation, `--act-bits`.
- In brackets and in the plot: times as fast as stock on the dense network.

![Times as fast as stock by bits of activations](pool-speed.svg)
"""
_WIDE = """\
### Layers of {filters} filters or more

K = {size}, `--lut {lut}`: times as fast in instructions, the slowest layer – all together.
"""
_LAYERS = """\
### By layer

K = {size}, `--lut {lut}`; {cores}.
Layers of one shape together: kernel, channels, output. Million instructions of stock, then times as fast as stock.
"""
_CYCLES = """\
### Cycles and memory

K = {size}, `--lut {lut}`: million cycles of stock, modelled, times as fast in modelled cycles, and bytes of the arena,
of pooled networks the largest of all B.
"""
_WAYS = """\
### What using products again is worth

Single layers, K = {size}, `--lut flash`; {cores}.
Million instructions, in brackets in parts of what the plan chooses. A layer may use idle memory of {idle} times its
activations. "Anew for each tap" is the 1 × 1 convolution of all taps side by side: its products are those of an output
position, shared by the filters, as in the published kernels with shared products, and gathering the taps is left out.
"A look-up for each filter and plane" is how the published kernels without shared products compute.
"""
_SIZES = """\
## Sizes

Bytes. **stored**: of all weights, those that stay dense included, with indices and the pool, alone or with its look-up
table of 4 or 8 bits; in brackets, times smaller than int8. Files are stripped.
"""


def report(found: Measured, results: Sequence[Result], stored: Sequence[Size]) -> Iterator[str]:
    """Paragraphs and tables, blank lines between them."""
    size, lut = found.typical
    cores = " / ".join(map(core, found.boards))
    yield _HEAD.format(command=COMMAND, provenance=STOCK["provenance"], how=STOCK["how"])
    for board in found.boards:
        yield f"### Whole networks, {core(board)}\n\nMillion instructions.\n"
        yield tables.run_time(found, board)
    yield _WIDE.format(filters=MANY_FILTERS, size=size, lut=lut)
    yield tables.wide_layers(found)
    yield _LAYERS.format(size=size, lut=lut, cores=cores)
    for network in found.networks:
        yield f"{network}:\n"
        yield tables.layers(found, network)
    yield _CYCLES.format(size=size, lut=lut)
    yield tables.cycles_and_memory(found)
    yield _WAYS.format(size=TYPICAL_SIZE, cores=cores, idle=IDLE)
    yield tables.ways(results)
    yield _SIZES
    yield tables.size_table(stored)


def as_data(rows: Sequence[Row], results: Sequence[Result], stored: Sequence[Size]) -> str:
    """docs/pool_bench.json, an entry a line. layers: instructions in the order of execution."""
    lists: dict[str, list[Any]] = {
        "rows": [asdict(row) | {"layers": [layer.instructions for layer in row.layers]} for row in rows],
        "single_layers": [asdict(result) for result in results],
        "sizes": [asdict(size) for size in stored],
    }
    parts = []
    for key, entries in lists.items():
        lines = ",\n".join(f"    {json.dumps(entry, ensure_ascii=False)}" for entry in entries)
        parts.append(f'  "{key}": [\n{lines}\n  ]')
    return "{\n" + ",\n".join(parts) + "\n}\n"
