"""Reports as JSON and CSV hold every tensor and survive any name."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.report.test_text import report, tensor
from wpconvert.errors import UsageError
from wpconvert.report.export import check_format, conversion_csv, conversion_report, to_json


def test_json_is_the_whole_report() -> None:
    found = json.loads(to_json(report(tensor("größe \x1b\n"), notes=("remark",))))
    assert found["tool"].startswith("wpconvert ")
    assert (found["source"], found["nbytes_before"], found["nbytes_after"]) == ("m.tflite", 2000, 1000)
    assert found["tensors"][0] == {
        "key": "0:1",
        "name": "größe \x1b\n",
        "operators": ["CONV_2D"],
        "shape": [8, 3, 3, 16],
        "dtype": "INT8",
        "sparsity": 0.75,
        "method": "rle",
        "nbytes_before": 1152,
        "nbytes_after": 400,
        "reason": None,
        "cycles": None,
        "cycles_dense": None,
        "snr_db": None,
        "pool_size": None,
        "index_bits": None,
        "act_bits": None,
        "effective_bits": None,
    }
    assert (found["notes"], found["verification"]) == (["remark"], None)


def test_csv_has_a_line_per_tensor() -> None:
    name = 'quote " comma , line\nbreak'
    rows = list(csv.DictReader(io.StringIO(conversion_csv(report(tensor(name), tensor("b", "none", 1152, "why"))))))
    assert [(r["name"], r["shape"], r["method"], r["reason"]) for r in rows] == [
        (name, "8x3x3x16", "rle", ""),
        ("b", "8x3x3x16", "none", "why"),
    ]


def test_csv_of_a_model_without_weights_is_a_header() -> None:
    assert len(conversion_csv(report()).splitlines()) == 1


def test_suffix_chooses_the_format() -> None:
    assert conversion_report(Path("a.CSV"), report(tensor())).startswith("key,")
    assert conversion_report(Path("a.json"), report(tensor())).startswith("{")
    with pytest.raises(UsageError, match=r"the suffix must be \.json or \.csv"):
        check_format(Path("a.txt"))
