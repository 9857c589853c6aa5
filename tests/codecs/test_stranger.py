"""docs/FORMAT.md is enough to write a decoder from: stranger.c agrees with wpconvert on every input, good or bad."""

from __future__ import annotations

import itertools
import struct

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.codecs.matrices import SPECIAL, Case, random_case, storable
from tests.codecs.mutations import mutated
from tests.codecs.stranger import Kind, Stranger
from tests.support.pools import random_pool
from wpconvert.codecs import CODECS, Lut, Pool, decode, pool_table
from wpconvert.errors import ModelError
from wpconvert.graph.arithmetic import multiply_double_rounding, output_multipliers
from wpconvert.graph.custom import table
from wpconvert.graph.custom.table import RequantTable

every_codec = pytest.mark.parametrize("name", CODECS)


Stored = tuple[NDArray[np.uint8], Pool | None]
"""A blob and, of codec pool, its pool."""


def stored(name: str, case: Case) -> Stored:
    case = storable(case, name)
    return case.encode(name), case.pool


def random_blobs(name: str, count: int, limit: int, seed: int) -> list[Stored]:
    """Of random tensors of up to 4 dimensions, most with fewer than `limit` weights."""
    generator = np.random.default_rng(seed)
    blobs = []
    for index in range(count):
        ndim = int(generator.integers(1, 5))
        shape = tuple(int(d) for d in np.ceil(generator.uniform(0, 1, ndim) * limit ** (1 / ndim)))
        row_dims = int(generator.integers(1, ndim + 1))
        case = random_case(shape, row_dims, generator.random(), seed + index, int(generator.integers(0, 9)))
        blobs.append(stored(name, case))
    return blobs


def decoded_or_none(raw: NDArray[np.uint8], pool: Pool | None) -> NDArray[np.int8] | None:
    try:
        return decode(raw, pool)
    except ModelError:
        return None


def assert_agree(blobs: list[Stored], stranger: Stranger) -> tuple[int, int]:
    """Both decoders accept or refuse each blob alike, with the same weights; returns how many of each."""
    accepted = 0
    answers = stranger.decode([blob for blob, _ in blobs], [pool for _, pool in blobs])
    for index, ((blob, pool), theirs) in enumerate(zip(blobs, answers, strict=True)):
        ours = decoded_or_none(blob, pool)
        verdicts = [weights is not None for weights in (ours, theirs)]
        assert verdicts[0] == verdicts[1], f"blob {index}: wpconvert, stranger accept: {verdicts}; {bytes(blob).hex()}"
        if ours is not None and theirs is not None:
            np.testing.assert_array_equal(theirs, ours.reshape(-1), f"blob {index}: {bytes(blob).hex()}")
            accepted += 1
    return accepted, len(blobs) - accepted


@every_codec
def test_both_decoders_give_the_same_weights_for_random_tensors(name: str, stranger: Stranger) -> None:
    blobs = random_blobs(name, 600, 3000, seed=1)
    assert assert_agree(blobs, stranger) == (600, 0)


@every_codec
def test_both_decoders_give_the_same_weights_at_the_limits(name: str, stranger: Stranger) -> None:
    blobs = [stored(name, case) for case in SPECIAL.values()]
    assert assert_agree(blobs, stranger) == (len(blobs), 0)


@every_codec
def test_both_decoders_agree_on_damaged_blobs(name: str, stranger: Stranger) -> None:
    generator = np.random.default_rng(2)
    originals = random_blobs(name, 250, 400, seed=3)
    blobs = [(mutated(raw, generator), pool) for raw, pool in originals for _ in range(12)]
    accepted, refused = assert_agree(blobs, stranger)
    # Otherwise the damage is too mild or too coarse to show anything.
    assert min(accepted, refused) > len(blobs) // 10


def pool_fields(raw: bytes) -> bytes | None:
    """The fields in the order of stranger.c's answer, None when wpconvert refuses the pool tensor."""
    try:
        pool = pool_table.unpack(np.frombuffer(raw, np.uint8))
    except ModelError:
        return None
    head = struct.pack("<4i", pool.size, pool.lut_bits, pool.lut_shift, pool.lut)
    return head + pool.entries().astype("<i4").tobytes()


def test_both_readers_agree_on_pool_tensors_good_and_damaged(stranger: Stranger) -> None:
    generator = np.random.default_rng(6)
    tensors = []
    for lut_bits, lut, size in itertools.product((4, 8, 16), Lut, (1, 2, 7, 8, 9, 33)):
        shift = int(generator.integers(8)) if lut_bits == 4 and lut is not Lut.NONE else 0
        tensors.append(random_pool(generator, size, lut_bits, shift, lut).pack().tobytes())
    assert all(pool_fields(raw) is not None for raw in tensors)
    for raw in tensors[:]:
        for _ in range(20):
            damaged = bytearray(raw)
            damaged[generator.integers(len(raw) if generator.random() < 0.5 else 24)] = generator.integers(256)
            cut = int(generator.integers(len(raw) + 1))
            tensors.append(bytes(damaged if generator.random() < 0.8 else damaged[:cut] + b"\0" * (cut % 3)))
    answers = stranger.ask((Kind.POOL, raw) for raw in tensors)
    expected = [pool_fields(raw) for raw in tensors]
    assert [None if answer.status else answer.payload for answer in answers] == expected
    assert len(tensors) // 10 < expected.count(None) < len(tensors) * 9 // 10


def random_table(generator: np.random.Generator) -> RequantTable:
    channels = int(generator.integers(1, 9))
    multipliers = channels if generator.random() < 0.7 else 1
    low, high = sorted(int(v) for v in generator.integers(-128, 128, 2))

    def fields(count: int, low: int, high: int) -> NDArray[np.int64]:
        """Values from a range of any width between low and high."""
        base = int(generator.integers(low, high))
        span = 1 << int(generator.integers(0, (high - base).bit_length()))
        return generator.integers(base, min(base + span, high), count)

    return RequantTable(
        bias=fields(channels, -(2**31), 2**31).astype(np.int32),
        multiplier=fields(multipliers, 0, 2**31).astype(np.int32),
        shift=fields(multipliers, -31, 31).astype(np.int8),
        input_zero_point=int(generator.integers(-128, 128)),
        output_zero_point=int(generator.integers(-128, 128)),
        activation_min=low,
        activation_max=high,
        has_bias=bool(generator.integers(2)),
    )


def scaled_table(generator: np.random.Generator) -> NDArray[np.uint8]:
    """A packed table with scaled multipliers."""
    scales = generator.uniform(0.001, 0.01, int(generator.integers(5, 40))).astype(np.float32)
    multiplier, shift = output_multipliers(generator.uniform(0.01, 1), scales, generator.uniform(0.01, 1))
    bias = generator.integers(-9999, 9999, len(scales)).astype(np.int32)
    return RequantTable(bias, multiplier, shift.astype(np.int8), 1, -2, -100, 100, True).pack(scales)


def fields_of(raw: bytes) -> bytes | None:
    """The fields in the order of stranger.c's answer, None when wpconvert refuses the table."""
    try:
        t = table.unpack(np.frombuffer(raw, np.uint8))
    except ModelError:
        return None
    head = (
        int(t.has_bias),
        t.channels,
        len(t.multiplier),
        t.input_zero_point,
        t.output_zero_point,
        t.activation_min,
        t.activation_max,
    )
    return struct.pack("<7i", *head) + b"".join(
        part.astype("<i4").tobytes() for part in (t.bias, t.multiplier, t.shift)
    )


def test_both_readers_agree_on_tables_good_and_damaged(stranger: Stranger) -> None:
    generator = np.random.default_rng(4)
    tables = [random_table(generator).pack().tobytes() for _ in range(120)]
    tables += [scaled_table(generator).tobytes() for _ in range(80)]
    assert all(fields_of(raw) is not None for raw in tables)
    for raw in tables[:]:
        for _ in range(10):
            damaged = bytearray(raw)
            damaged[generator.integers(len(raw) if generator.random() < 0.5 else 28)] = generator.integers(256)
            cut = int(generator.integers(len(raw) + 1))
            tables.append(bytes(damaged if generator.random() < 0.8 else damaged[:cut] + b"\0" * (cut % 3)))
    answers = stranger.ask((Kind.TABLE, raw) for raw in tables)
    expected = [fields_of(raw) for raw in tables]
    assert [None if answer.status else answer.payload for answer in answers] == expected
    assert len(tables) // 10 < expected.count(None) < len(tables)


def test_rescale_agrees_on_random_and_extreme_arguments(stranger: Stranger) -> None:
    generator = np.random.default_rng(5)
    extremes = [-(2**31), -(2**31) + 1, -(2**30), -3, -2, -1, 0, 1, 2, 3, 2**30, 2**31 - 2, 2**31 - 1]
    accumulators = np.array([*extremes, *generator.integers(-(2**31), 2**31, 20)])
    multipliers = np.array([0, 1, 2**30, 2**30 + 1, 2**31 - 1, *generator.integers(0, 2**31, 5)])
    grid = np.meshgrid(accumulators, multipliers, np.arange(-31, 31), indexing="ij")
    rows = np.stack([axis.reshape(-1) for axis in grid], axis=1).astype(np.int32)
    expected = multiply_double_rounding(rows[:, 0], rows[:, 1], rows[:, 2])
    np.testing.assert_array_equal(stranger.rescale(rows), expected)
