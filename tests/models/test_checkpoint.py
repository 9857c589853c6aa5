"""Checkpoints of other runs and damaged ones are refused."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch not installed: training needs `make setup-train`")

from wpconvert.errors import FileError, UsageError  # noqa: E402 - as below
from wptrain.errors import DataError  # noqa: E402
from wptrain.loop.checkpoint import Checkpoint, Value  # noqa: E402 - the import needs torch

SETTINGS: dict[str, Value] = {"network": "ds-cnn", "seed": 5}


def test_checkpoint_of_other_settings_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    Checkpoint(path, SETTINGS).save({"epoch": 1})
    assert Checkpoint(path, SETTINGS).load() == {"epoch": 1}
    with pytest.raises(UsageError, match="seed 5, now 6"):
        Checkpoint(path, {**SETTINGS, "seed": 6}).load()


class MakesFolder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_damaged_or_hostile_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    checkpoint = Checkpoint(path, SETTINGS)
    checkpoint.save({"epoch": 1, "weights": torch.zeros(100)})
    whole = path.read_bytes()
    torch.save({"format": 1, "settings": {}, "state": MakesFolder(tmp_path / "made")}, tmp_path / "hostile.pt")
    hostile = (tmp_path / "hostile.pt").read_bytes()
    for content in (b"", b"text", whole[: len(whole) // 2], pickle.dumps([1]), hostile):
        path.write_bytes(content)
        with pytest.raises(DataError, match="not a checkpoint"):
            checkpoint.load()
    assert not (tmp_path / "made").exists()
    with pytest.raises(FileError):
        Checkpoint(tmp_path, SETTINGS).load()
