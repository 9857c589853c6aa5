"""Bytes of the networks' weights, dense and with a pool."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tools.pool_bench.measure import Version, converted
from tools.pool_bench.networks import NETWORKS
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.graph_reader import read_operator
from wpconvert.graph.custom.compressed import side_of
from wpconvert.graph.custom.operators import BUILTIN_NAMES
from wpconvert.job.convert import convert_bytes
from wpconvert.model.rules import Rules
from wpconvert.model.settings import Settings
from wpconvert.transforms.pool_settings import POOL

KINDS = {"pool": ("none", 8), "LUT of 4 bits": ("flash", 4), "LUT of 8 bits": ("flash", 8)}
"""What is stored beside the indices: where the look-up table is, and bits of its entries."""


@dataclass(frozen=True)
class Size:
    """One network with a pool, in bytes.

    weights: of all layers, int8. pooled: those of them with a pool, as int8; indices: what is stored for these.
    tables: the pool tensor, by kind. file: stripped, dense; files: with the pool, by kind.
    """

    network: str
    pool_size: int
    weights: int
    pooled: int
    indices: int
    tables: dict[str, int]
    file: int
    files: dict[str, int]

    def stored(self, kind: str) -> int:
        """All weights with indices, pool and table."""
        return self.weights - self.pooled + self.indices + self.tables[kind]

    def smaller(self, kind: str) -> float:
        """How many times."""
        return self.weights / self.stored(kind)


def sizes(networks: Sequence[str], pool_sizes: Sequence[int]) -> Iterator[Size]:
    """Of every network with every pool."""
    for network in networks:
        for pool_size in pool_sizes:
            yield size_of(network, pool_size)


def size_of(network: str, pool_size: int) -> Size:
    """One line of the table."""
    dense = NETWORKS[network](pool_size)
    tables, files = {}, {}
    for kind, (lut, lut_bits) in KINDS.items():
        found = converted(network, Version(pool_size, lut=lut, lut_bits=lut_bits), strip=True)
        tables[kind], files[kind] = _pool_nbytes(found.data), len(found.data)
    tensors = found.report.tensors
    with_pool = [tensor for tensor in tensors if tensor.method == POOL]
    stripped = convert_bytes(dense, Settings("none", Rules(rules=[]), strip=True))
    return Size(
        network,
        pool_size,
        sum(tensor.nbytes_before for tensor in tensors),
        sum(tensor.nbytes_before for tensor in with_pool),
        sum(tensor.nbytes_after for tensor in with_pool),
        tables,
        len(stripped.data),
        files,
    )


def _pool_nbytes(data: bytes) -> int:
    """Of the pool tensor of a file."""
    model = parse(data)
    for index, operator in enumerate(model.root.subgraphs[0].operators):
        if model.operator_name(operator) in BUILTIN_NAMES:
            pool = side_of(read_operator(model, 0, index))
            if pool is not None:
                return pool.nbytes
    return 0
