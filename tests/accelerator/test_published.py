"""The schedules that were published, and what they leave out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wpconvert.accelerator.architecture import BUILT_IN
from wpconvert.accelerator.rows import csv_of
from wpconvert.accelerator.search import every_tile, published_tiles, schedule_layers
from wpconvert.accelerator.table import read_table

GOLDEN = Path(__file__).resolve().parents[2].parent / "shared" / "golden"
SCHEDULES = GOLDEN / "msd_schedules_eb2.json"
NAMES = tuple(
    f"{architecture}_{model}"
    for architecture, models in (
        ("ultra96", ("resnet18", "vgg16", "mobilenetv2", "resnet50")),
        ("zcu102", ("resnet18", "vgg16", "resnet50", "vitbase")),
        ("xc7z020", ("resnet18", "vgg16", "mobilenetv2")),
    )
    for model in models
)


def published(name: str) -> dict[str, Any]:
    if not SCHEDULES.exists():
        pytest.skip(f"{SCHEDULES} is not there: published schedules are not part of the repository")
    found: dict[str, Any] = json.loads(SCHEDULES.read_text())[name]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_compatible_schedules_are_the_published_ones_row_by_row(name: str) -> None:
    expected = published(name)
    architecture, model = name.split("_")
    layers = read_table(GOLDEN / "msd_tables" / f"{model}.csv", compatible=True)
    rows = schedule_layers(layers, BUILT_IN[architecture], [2] * len(layers), published_tiles)
    lines = csv_of(rows, compatible=True).decode().splitlines()
    assert [line.split(",") for line in lines] == [row[:13] for row in expected["layers"]]
    assert [row.lut_filters for row in rows] == [int(row[13]) for row in expected["layers"]]
    assert sum(row.cycles for row in rows) == expected["total_no_drift"]


@pytest.mark.parametrize("name", NAMES)
def test_no_published_schedule_beats_the_search_of_all_tiles(name: str) -> None:
    expected = published(name)
    architecture, model = name.split("_")
    layers = read_table(GOLDEN / "msd_tables" / f"{model}.csv", compatible=True)
    rows = schedule_layers(layers, BUILT_IN[architecture], [2] * len(layers), every_tile)
    for row, other in zip(rows, expected["layers"], strict=True):
        assert row.cycles <= int(other[1])
