"""One network with or without a pool on one board: instructions by layer, outputs compared."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache

from tools.pool_bench.networks import NETWORKS
from wpconvert.benchmark.measure import NO_ERROR_TEXTS, benchmark
from wpconvert.engines.inputs import random_inputs
from wpconvert.engines.reference import ReferenceEngine
from wpconvert.errors import VerificationError
from wpconvert.formats.tflite.file import parse
from wpconvert.job.convert import Converted, convert_bytes
from wpconvert.model.rules import Rules
from wpconvert.model.settings import Settings
from wpconvert.target.board import boards
from wpconvert.transforms.pool_settings import POOL

TYPICAL_SIZE = 64
"""Vectors of a pool where only one size is shown."""


@dataclass(frozen=True)
class Version:
    """How a network is stored. lut: "none", "ram" or "flash"; lut_bits: of a look-up entry."""

    pool_size: int
    act_bits: int = 8
    lut: str = "none"
    lut_bits: int = 8


@dataclass(frozen=True)
class Layer:
    """One operator during an inference. name: of its output. pooled: whether its weights are."""

    operator: str
    name: str
    pooled: bool
    instructions: int
    modelled_cycles: int


@dataclass(frozen=True)
class Row:
    """One network on one board; version None: dense."""

    network: str
    board: str
    version: Version | None
    instructions: int
    modelled_cycles: int
    arena_nbytes: int
    layers: tuple[Layer, ...]


@cache
def converted(network: str, version: Version, strip: bool = False) -> Converted:
    """The network with its pool."""
    return pooled(NETWORKS[network](version.pool_size), version, strip)


def pooled(dense: bytes, version: Version, strip: bool = False) -> Converted:
    """A dense file whose weights are vectors of such a pool, with the pool."""
    options: dict[str, int | str] = {
        "pool_size": version.pool_size,
        "lut_bits": version.lut_bits,
        "act_bits": version.act_bits,
        "lut": version.lut.lower(),
    }
    return convert_bytes(dense, Settings(POOL, Rules(rules=[]), strip=strip, options=options))


def layers_with_pool(found: Converted) -> set[str]:
    """Names of the outputs of the pooled layers."""
    return {tensor.name.removesuffix("/weights") for tensor in found.report.tensors if tensor.method == POOL}


def measure(network: str, version: Version | None, targets: Sequence[str]) -> list[Row]:
    """A row for each board. Raises what `run` raises."""
    if version is None:
        return run(network, NETWORKS[network](TYPICAL_SIZE), version, targets)
    found = converted(network, version)
    return run(network, found.data, version, targets, layers_with_pool(found))


def run(
    name: str,
    data: bytes,
    version: Version | None,
    targets: Sequence[str],
    with_pool: Collection[str] = (),
    defines: tuple[str, ...] = (),
) -> list[Row]:
    """One inference of a file on a random input, on each board.

    Raises what `benchmark` raises, and VerificationError unless the outputs are those of the reference interpreter.
    """
    model = parse(data)
    sample = random_inputs(model, 1, seed=0).samples[0]
    outputs = ReferenceEngine().run(model, [sample], lambda: None)[0]
    expected = hashlib.sha256(b"".join(output.tobytes() for output in outputs)).hexdigest()
    rows = []
    for target in targets:
        result = benchmark(name, data, model, boards()[target], sample, defines=(NO_ERROR_TEXTS, *defines))
        if result.outputs_sha256 != expected:
            raise VerificationError(f"{name}, {version} on {target}: not the outputs of the reference interpreter")
        layers = tuple(
            Layer(layer.operator, layer.name, layer.name in with_pool, layer.instructions, layer.modelled_cycles)
            for layer in result.layers
        )
        counts = result.instructions, result.modelled_cycles, result.arena_nbytes
        rows.append(Row(name, target, version, *counts, layers))
    return rows
