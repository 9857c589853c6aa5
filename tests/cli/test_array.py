"""`wpconvert array X.npy`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import wpconvert
from tests.cli.harness import Cli, untouched
from tests.codecs.matrices import random_case

WEIGHTS = random_case((64, 400), 1, 0.5, 3).weights


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The weights in a file."""
    np.save(tmp_path / "weights.npy", WEIGHTS)
    return tmp_path / "weights.npy"


def test_it_shows_the_bytes_of_each_method(cli: Cli, path: Path) -> None:
    lines, found = cli.ok("array", path).out.splitlines(), wpconvert.sizes(WEIGHTS)
    for method, nbytes in found.methods.items():
        assert [method, f"{nbytes:,}"] in [line.split()[:2] for line in lines]
    assert list(found.reasons) == ["pool"]
    for method, reason in found.reasons.items():
        assert f"{method}: {reason}" in lines


def test_json_is_that_of_the_results(cli: Cli, path: Path) -> None:
    assert cli.ok("array", path, "--json").out == wpconvert.sizes(WEIGHTS).to_json()
    assert cli.ok("array", path, "-m", "rle", "--json").out == wpconvert.encode(WEIGHTS, "rle").to_json()


def test_it_writes_what_is_asked_for(cli: Cli, path: Path) -> None:
    blob, source = path.with_name("w.bin"), path.with_name("w.c")
    with untouched(path.parent):
        assert "bytes" in cli.ok("array", path, "-m", "dcsr").out
    out = cli.ok("array", path, "-m", "dcsr", "-o", blob, "--to-c", source).out
    assert out.splitlines()[-1] == f"wrote {blob}, {source}, {source.with_suffix('.h')}"
    assert np.array_equal(wpconvert.decode(blob), WEIGHTS)
    assert "int8_t w_weights[W_ROWS * W_COLS]" in source.read_text()


def test_rows_can_be_several_dimensions(cli: Cli, tmp_path: Path) -> None:
    weights = random_case((1, 3, 3, 40), 3, 0.4, 8).weights
    np.save(tmp_path / "x.npy", weights)
    found = json.loads(cli.ok("array", tmp_path / "x.npy", "--row-dims", "3", "--json").out)
    assert found["methods"] == wpconvert.sizes(weights, row_dims=3).methods
    assert found["methods"] != wpconvert.sizes(weights).methods


def test_wrong_usage_and_files_are_one_line(cli: Cli, path: Path) -> None:
    floats = path.with_name("floats.npy")
    np.save(floats, np.zeros((4, 4)))
    with untouched(path.parent):
        assert cli.refused(2, "array", path, "-o", path.with_name("x")) == "-o needs -m METHOD"
        assert cli.refused(2, "array", path, "--to-c", path.with_name("x.c")) == "--to-c needs -m METHOD"
        assert cli.refused(2, "array", path, "-m", "zip").startswith("unknown method 'zip'")
        assert "expected int8" in cli.refused(2, "array", floats)
        assert "given twice" in cli.refused(2, "array", path, "-m", "rle", "-o", path)
        assert "more than 256 different vectors" in cli.refused(
            3, "array", path, "-m", "pool", "-o", path.with_name("x")
        )
        assert "No such file" in cli.refused(5, "array", path.with_name("none.npy"))
