"""`make bench-pool`: its networks, the recorded numbers of stock, the tables, and runs on a board."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.bench.guest import MISSING
from tools.pool_bench import measure as measuring
from tools.pool_bench import tables
from tools.pool_bench.measure import Layer, Row, Version, converted, layers_with_pool, measure
from tools.pool_bench.networks import NETWORKS
from tools.pool_bench.plot import draw
from tools.pool_bench.report import as_data, report
from tools.pool_bench.schedules import SHAPES, WAYS, Result, Shape, compare, layer_model
from tools.pool_bench.sizes import KINDS, Size, size_of
from tools.pool_bench.stock import STOCK, shapes, stock_of
from tools.pool_bench.tables import Measured
from wpconvert.errors import VerificationError
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.weights import rewritable_weights
from wpconvert.transforms.pool import cut, exact
from wpconvert.transforms.pool_settings import POOL

ABSENT = [*MISSING, *(tool for tool in ("arm-none-eabi-g++", "cmake", "ninja") if shutil.which(tool) is None)]
needs_a_board = pytest.mark.skipif(bool(ABSENT), reason=f"not installed: {', '.join(ABSENT)}")
BOARDS = ("mps2-m3", "corstone300")


def pooled_vectors(network: str, pool_size: int) -> Iterator[np.ndarray]:
    names = layers_with_pool(converted(network, Version(pool_size)))
    for weight in rewritable_weights(parse(NETWORKS[network](pool_size))):
        if weight.name.removesuffix("/weights") in names:
            yield cut(weight.values)


@pytest.mark.parametrize("pool_size", [32, 128])
@pytest.mark.parametrize("network", NETWORKS)
def test_all_convolutions_but_the_first_and_tiny_ones_are_made_of_one_pool(network: str, pool_size: int) -> None:
    tensors = converted(network, Version(pool_size)).report.tensors
    kept = [t for t in tensors if t.operators == ("CONV_2D",) and t.method != POOL]
    assert kept[0].reason == "kept: the first convolution; a rule can pool it"
    assert all((t.reason or "").startswith("would not shrink") and t.nbytes_before <= 512 for t in kept[1:])
    found = exact(np.concatenate(list(pooled_vectors(network, pool_size))))
    assert found is not None and len(found) == pool_size


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch not installed: `make setup-train`")
@pytest.mark.parametrize("network", NETWORKS)
def test_networks_have_the_shapes_of_those_that_are_trained(network: str) -> None:
    from torch import nn  # noqa: PLC0415

    from wptrain.networks import NETWORKS as TRAINED  # noqa: PLC0415

    channels, classes = (1, 100) if network == "tiny-conv" else (3, 10)
    modules = TRAINED[network](channels, classes).modules()
    expected = sorted(tuple(m.weight.shape) for m in modules if isinstance(m, nn.Conv2d) and m.groups == 1)
    ours = sorted((out, depth, height, width) for out, height, width, depth, _, _ in shapes(network).values())
    assert ours == expected


def test_stock_layers_are_those_of_the_networks_and_add_up() -> None:
    assert set(STOCK["networks"]) == set(NETWORKS)
    for network in NETWORKS:
        graph = parse(NETWORKS[network](64)).root.subgraphs[0]
        outputs = [graph.tensors[operator.outputs[0]].name.decode() for operator in graph.operators]
        assert [name for _, name, _, _ in STOCK["networks"][network]["layers"]] == outputs
        for board in STOCK["targets"]:
            stock = stock_of(network, board)
            # The rest is the interpreter.
            assert 0.998 < sum(stock.layers.values()) / stock.instructions < 1


@pytest.mark.parametrize("again", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_single_layers_multiply_as_much_either_way(shape: Shape, again: bool) -> None:
    weights = [w.values for w in rewritable_weights(parse(layer_model(shape, again)))]
    assert weights[-1].size == shape.inputs * shape.outputs * shape.kernel**2


def made_up(network: str, board: str, version: Version | None) -> Row:
    """Every layer twice as fast as stock, with a pool times 8 over its bits."""
    names = layers_with_pool(converted(network, Version(64)))
    factor = 2 * (8 / version.act_bits if version else 1)
    layers = tuple(
        Layer("CONV_2D", name, version is not None and name in names, round(count / factor), count)
        for name, count in stock_of(network, board).layers.items()
    )
    total = sum(layer.instructions for layer in layers)
    return Row(network, board, version, total, total, 1000, layers)


@pytest.fixture(scope="module")
def found() -> Measured:
    versions = [None, *(Version(64, bits, lut) for bits in (8, 4) for lut in ("none", "flash"))]
    return Measured.of(made_up("tiny-conv", board, version) for board in BOARDS for version in versions)


def test_tables_say_how_many_times_as_fast_as_stock(found: Measured) -> None:
    lines = tables.run_time(found, "mps2-m3").splitlines()
    assert lines[0] == "| network | stock, dense | dense | K | LUT | B = 8 | B = 4 |"
    assert lines[2] == "| tiny-conv | 32.49 | 16.24 (2.00 ×) | 64 | none | 16.24 (2.00 ×) | 8.12 (4.00 ×) |"
    layer = tables.layers(found, "tiny-conv").splitlines()[2]
    assert layer.startswith("| 5 × 5, 32 → 32, 16 × 16 | 1 | 18.16 / 1.42 | 2.00 / 2.00 | 2.00 / 2.00 | 4.00 / 4.00 |")


def test_the_slowest_layer_is_named_beside_all(found: Measured) -> None:
    line = tables.wide_layers(found).splitlines()[2]
    assert line == "| Cortex-M3 | tiny-conv | 1 | 2.00 – 2.00 | 4.00 – 4.00 | 1.00 – 1.00 | 2.00 – 2.00 |"


def test_the_report_has_every_board_and_says_what_is_modelled(found: Measured) -> None:
    work = product(map(str, SHAPES), WAYS, BOARDS, (8, 4))
    results = [Result(shape, way, board, bits, 100) for shape, way, board, bits in work]
    text = "\n".join(report(found, results, [size_of("tiny-conv", 64)]))
    assert "Whole networks, Cortex-M3" in text and "Whole networks, Cortex-M55" in text
    assert "modelled" in text and STOCK["provenance"] in text
    assert all(way in text for way in WAYS)


def test_the_plot_has_a_line_for_each_network_and_is_the_same_each_time(found: Measured, tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        draw(found, tmp_path / name)
    text = (tmp_path / "a.svg").read_text("utf-8")
    assert text == (tmp_path / "b.svg").read_text("utf-8")
    assert ">tiny-conv<" in text and ">Cortex-M55<" in text


def test_all_numbers_are_kept_as_data(found: Measured) -> None:
    size = size_of("tiny-conv", 32)
    data = json.loads(as_data(list(found.rows.values()), [], [size]))
    assert len(data["rows"]) == len(found.rows) and data["rows"][0]["version"] is None
    assert Size(**data["sizes"][0]) == size


def test_a_stored_table_costs_its_bytes_and_smaller_counts_it() -> None:
    size = size_of("resnet-10", 64)
    assert size.tables["LUT of 8 bits"] - size.tables["pool"] == 256 * 64
    assert size.tables["LUT of 4 bits"] - size.tables["pool"] == 256 * 64 // 2
    assert size.pooled == 8 * (size.pooled // 8) and size.indices >= size.pooled // 8 * 6 // 8
    assert [size.smaller(kind) for kind in KINDS] == sorted((size.smaller(kind) for kind in KINDS), reverse=True)
    assert size.smaller("LUT of 8 bits") == pytest.approx(
        size.weights / (size.weights - size.pooled + size.indices + size.tables["LUT of 8 bits"])
    )


@needs_a_board
def test_a_network_runs_on_a_board_with_its_layers_pooled() -> None:
    (dense,) = measure("tiny-conv", None, ["mps2-m3"])
    (row,) = measure("tiny-conv", Version(32, 4, "flash"), ["mps2-m3"])
    assert [layer.name for layer in row.layers if layer.pooled] == ["conv3", "conv5"]
    assert [layer.name for layer in row.layers] == [layer.name for layer in dense.layers]
    by_operator = {layer.operator for layer in row.layers if layer.pooled}
    assert by_operator == {"WP_CONV_2D"}


@needs_a_board
def test_a_schedule_can_be_forced() -> None:
    shape = replace(SHAPES[0], side=4)
    ways = ("the plan's choice", *list(WAYS)[-2:])
    counts = {way: compare(shape, way, 4, ["mps2-m3"])[0].instructions for way in ways}
    assert len(set(counts.values())) == 3
    assert counts["a look-up for each filter and plane"] > counts["the plan's choice"]


def test_other_outputs_than_the_reference_interpreters_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = SimpleNamespace(outputs_sha256="0", layers=(), instructions=1, modelled_cycles=1, arena_nbytes=1)
    monkeypatch.setattr(measuring, "benchmark", lambda *_, **__: wrong)
    with pytest.raises(VerificationError, match="not the outputs of the reference interpreter"):
        measure("tiny-conv", Version(32), ["mps2-m3"])
