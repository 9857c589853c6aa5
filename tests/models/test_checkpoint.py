"""A run that was interrupted ends with the same bits; checkpoints of other runs and damaged ones are refused."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch not installed: training needs `make setup-train`")

from wpconvert.errors import FileError, UsageError  # noqa: E402 - as below
from wptrain.data.sets import digits  # noqa: E402
from wptrain.errors import DataError  # noqa: E402
from wptrain.loop.checkpoint import Checkpoint, Value  # noqa: E402 - the import needs torch
from wptrain.loop.trainer import Selected, TrainConfig, fit, make_deterministic  # noqa: E402
from wptrain.networks.ds_cnn import DsCnn  # noqa: E402

CONFIG = TrainConfig(epochs=3, seed=5, batch_size=128)
SETTINGS: dict[str, Value] = {"network": "ds-cnn", "seed": 5}


class Interrupted(Exception):
    pass


class StopsIn:
    """Interrupts a run in the middle of an epoch."""

    def __init__(self, epoch: int) -> None:
        self._last = epoch
        self._now = 0
        self._steps = 0

    def start(self, epoch: int, steps: int) -> None:
        self._now, self._steps = epoch, steps // 2

    def step(self) -> None:
        self._steps -= 1
        if self._now == self._last and self._steps == 0:
            raise Interrupted

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        pass


def train(checkpoint: Checkpoint | None, stop: StopsIn | None = None) -> tuple[DsCnn, Selected]:
    make_deterministic(seed=5, threads=1)
    network = DsCnn()
    return network, fit(network, digits.load(), CONFIG, checkpoint=checkpoint, observer=stop)


@pytest.mark.parametrize("epoch", [0, 2])
def test_resumed_run_ends_with_the_bits_of_an_uninterrupted_one(tmp_path: Path, epoch: int) -> None:
    path = tmp_path / "folder" / "run.pt"
    with pytest.raises(Interrupted):
        train(Checkpoint(path, SETTINGS), StopsIn(epoch))
    assert path.exists() == (epoch > 0)
    whole, best = train(None)
    resumed, best_resumed = train(Checkpoint(path, SETTINGS))
    assert best_resumed == best
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


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
