"""The golden vectors: what the tool makes, decoded alike by wpconvert and by stranger.c."""

from __future__ import annotations

import csv
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.codecs.stranger import Kind, Stranger
from tools import make_vectors
from tools.vectors.tables import WEIGHT_SCALES, table_fields
from wpconvert.codecs import CODECS, Lut, Pool, codec_of, decode, encode, parse, pool_table
from wpconvert.codecs.huffman import FLAG_LIVE_COLUMNS, FLAG_RUNS, FLAG_WIDE_INDEX
from wpconvert.codecs.packed import Mapping
from wpconvert.graph.arithmetic import multiply_double_rounding
from wpconvert.graph.custom import table
from wpconvert.graph.custom.levels import levels
from wpconvert.reference.lookup import products

FOLDER = Path(__file__).resolve().parents[1] / "vectors"
NAMES = sorted(path.stem for path in FOLDER.glob("*.blob"))
TABLES = sorted(path.stem for path in FOLDER.glob("*.bin"))


def blob_of(name: str) -> NDArray[np.uint8]:
    return np.frombuffer((FOLDER / f"{name}.blob").read_bytes(), np.uint8)


def pool_of(name: str) -> Pool | None:
    path = FOLDER / f"{name}.pool"
    return pool_table.unpack(np.fromfile(path, np.uint8)) if path.exists() else None


def weights_of(name: str) -> NDArray[np.int8]:
    return np.frombuffer((FOLDER / f"{name}.weights").read_bytes(), np.int8)


def rescale_rows() -> NDArray[np.int32]:
    """int32[n, 4]: accumulator, multiplier, shift, expected."""
    with (FOLDER / "rescale.csv").open(newline="") as file:
        lines = list(csv.reader(file))
    assert lines[0] == ["accumulator", "multiplier", "shift", "expected"]
    return np.array([[int(field) for field in line] for line in lines[1:]], np.int32)


def test_committed_files_are_what_the_tool_makes() -> None:
    committed = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    made = make_vectors.files()
    assert committed.keys() == made.keys()
    assert [name for name in made if committed[name] != made[name]] == []


def test_the_folder_stays_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 100_000


def test_every_codec_has_vectors() -> None:
    assert {codec_of(parse(blob_of(name))).name for name in NAMES} == set(CODECS)


@pytest.mark.parametrize("name", NAMES)
def test_wpconvert_decodes_the_vector(name: str) -> None:
    np.testing.assert_array_equal(decode(blob_of(name), pool_of(name)).reshape(-1), weights_of(name))


def test_stranger_decodes_every_vector(stranger: Stranger) -> None:
    found = stranger.decode([blob_of(name) for name in NAMES], [pool_of(name) for name in NAMES])
    for name, weights in zip(NAMES, found, strict=True):
        assert weights is not None, name
        np.testing.assert_array_equal(weights, weights_of(name), name)


def test_vectors_cover_what_their_names_say() -> None:
    assert parse(blob_of("dcsr_uneven_rows")).flags & 3 == 1
    assert parse(blob_of("rle_wide_fields")).flags == 0b110
    assert parse(blob_of("dcsr_wide_fields")).flags == 0b110
    assert len(parse(blob_of("dcsr_odd_groups")).sections[3]) == 3
    assert len(parse(blob_of("rle_odd_groups")).sections[2]) % 2 == 1
    assert bytes(parse(blob_of("dcsr_every_plane")).sections[5]) == b"\xf0"
    for name in ("dcsr_far_weight", "dcsr_wide_rows"):
        assert (parse(blob_of(name)).sections[2] == 0).any()
    assert parse(blob_of("dcsr_wide_rows")).sections[6].size > 0
    lenient = parse(blob_of("bitmap_lenient"))
    assert (lenient.sections[2] == 0).any() and lenient.flags == 0b100
    mappings = ("bits4", "offset", "table", "row_tables", "column_tables")
    assert [parse(blob_of(f"packed_{name}")).flags >> 3 for name in mappings] == list(Mapping)
    assert [parse(blob_of(f"packed_bits{bits}")).flags for bits in range(1, 8)] == list(range(1, 8))
    flags = {name: parse(blob_of(f"huffman_{name}")).flags for name in ("conv", "dead_channels", "dead_runs")}
    assert flags == {"conv": FLAG_RUNS, "dead_channels": FLAG_LIVE_COLUMNS, "dead_runs": FLAG_RUNS | FLAG_LIVE_COLUMNS}
    assert parse(blob_of("huffman_long_codes")).flags == 0
    assert parse(blob_of("huffman_wide_index")).flags & FLAG_WIDE_INDEX
    assert sorted(np.bincount(weights_of("huffman_long_codes") + 6)) == [1, 1, *(1 << k for k in range(1, 12))]
    assert [path.stem for path in sorted(FOLDER.glob("*.pool"))] == [n for n in NAMES if n.startswith("pool_")]
    stored = {name: pool_of(f"pool_{name}") for name in ("conv", "rounded", "one_vector")}
    assert all(pool is not None and pool.lut is Lut.FLASH for pool in stored.values())
    assert sorted(pool.lut_bits for pool in stored.values() if pool is not None) == [4, 8, 16]
    bits = {name: parse(blob_of(f"pool_{name}")).flags for name in ("conv", "lenient", "extremes", "largest")}
    assert bits == {"conv": 2, "lenient": 8, "extremes": 1, "largest": 8}
    weights = weights_of("dcsr_noisy_padding").reshape(1, -1)
    assert bytes(blob_of("dcsr_noisy_padding")) != bytes(encode("dcsr", weights, 1))


@pytest.mark.parametrize("name", TABLES)
def test_both_readers_give_the_fields_of_the_table(name: str, stranger: Stranger) -> None:
    raw = (FOLDER / f"{name}.bin").read_bytes()
    expected = json.loads((FOLDER / f"{name}.json").read_text())
    unpacked = table.unpack(np.frombuffer(raw, np.uint8))
    assert table_fields(unpacked) == expected
    scales = WEIGHT_SCALES if name == "table_scaled" else None
    assert unpacked.pack(scales).tobytes() == raw
    (answer,) = stranger.ask([(Kind.TABLE, raw)])
    flat = [number for value in expected.values() for number in (value if isinstance(value, list) else [value])]
    assert answer.status == 0
    assert list(struct.unpack(f"<{len(flat)}i", answer.payload)) == flat


def test_wpconvert_rescales_as_the_vectors_say() -> None:
    rows = rescale_rows()
    np.testing.assert_array_equal(multiply_double_rounding(rows[:, 0], rows[:, 1], rows[:, 2]), rows[:, 3])


def test_stranger_rescales_as_the_vectors_say(stranger: Stranger) -> None:
    rows = rescale_rows()
    np.testing.assert_array_equal(stranger.rescale(rows[:, :3]), rows[:, 3])


def pool_sums() -> dict[str, NDArray[np.int64]]:
    """By vector name int64[n, 20]: act_bits, zero point, vector, eight activations, their levels, the sum."""
    with (FOLDER / "pool_sums.csv").open(newline="") as file:
        lines = list(csv.reader(file))[1:]
    names = sorted({line[0] for line in lines})
    return {name: np.array([[int(field) for field in line[1:]] for line in lines if line[0] == name]) for name in names}


def test_wpconvert_narrows_and_sums_as_the_vectors_say() -> None:
    for name, rows in pool_sums().items():
        pool = pool_of(name)
        assert pool is not None
        entries = pool.entries().astype(np.int32)
        for act_bits, point, s, *numbers, expected in rows.tolist():
            narrow = levels(np.array(numbers[:8], np.int8), act_bits, point)
            assert narrow.tolist() == numbers[8:]
            assert products(narrow, entries, act_bits)[s] == expected


def test_stranger_narrows_and_sums_as_the_vectors_say(stranger: Stranger) -> None:
    for name, rows in pool_sums().items():
        found = stranger.pool_sums((FOLDER / f"{name}.pool").read_bytes(), rows[:, :11])
        np.testing.assert_array_equal(found, rows[:, 11:])
