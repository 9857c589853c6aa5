"""`wptrain` answers wrong usage with one line and a documented exit code."""

from __future__ import annotations

import importlib.util
import signal
import sys
import time
from pathlib import Path

import pytest

from wpconvert.interrupts import Interrupted, listen, restore_handlers
from wptrain.cli.main import hear_again, run

TRAINING = all(importlib.util.find_spec(name) is not None for name in ("torch", "litert_torch", "onnxscript"))
needs_training = pytest.mark.skipif(not TRAINING, reason="torch not installed: training needs `make setup-train`")


@pytest.mark.skipif(TRAINING, reason="the training extra is installed")
def test_missing_extra_says_how_to_install_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train"]) == 6
    assert "make setup-train" in capsys.readouterr().err


@needs_training
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train", "digits", "--set", "data.source=mnist"], 2, "dataset 'mnist': expected one of digits"),
        (["train", "digits", "--set", "data.tint=1"], 2, "dataset digits: unknown option tint"),
        (["train", "digits", "--set", "network=vgg"], 2, "network vgg: unknown"),
        (["train", "digits", "--set", "network=resnet-10"], 2, "does not take images of 8 x 8 pixels"),
        (["train", "digits", "--set", "device=tpu"], 2, "digits: device: 'tpu': input should be 'auto', 'cpu' or"),
        (["train", "digits", "--set", "data.source=images:absent"], 5, "no such folder or archive"),
        (["train", "digits", "--set", "epoch=3"], 2, "digits: epoch: unknown; expected one of epochs, seed, "),
        (["train", "digits", "--set", "optimiser.rate=3"], 2, "digits: optimiser.rate: unknown; expected one of name"),
        (
            ["train", "digits", "--set", "epochs=0"],
            2,
            "digits: epochs: '0': input should be greater than or",
        ),
        (["train", "digits", "--set", "epochs.more=1"], 2, "--set epochs.more=1: epochs is a value"),
        (["train", "digits", "--set", "epochs"], 2, "--set epochs: expected KEY=VALUE"),
        (
            ["train", "digits", "--set", "methods.spin.size=3"],
            2,
            "method spin: unknown; expected one of magnitude",
        ),
        (["train", "digits", "--set", "methods.pool.sise=3"], 2, "methods.pool: sise: unknown; expected one of size"),
        (["train", "digits", "--set", "distil=0.5"], 2, "distil 0.5: needs a teacher"),
        (["train", "digits-pool"], 2, "digits-pool: needs either network or start"),
        (["train", "digits-pool", "--set", "start=absent.pt"], 5, "absent.pt: cannot be read"),
        (["train", "digits-pool", "--set", "start=text.pt"], 3, "not a network written by wptrain"),
        (["train", "digits", "--set", "teacher=text.pt", "--set", "distil=1"], 3, "not a network written by wptrain"),
        (["train", "absent"], 5, "absent: no such file, and no recipe of that name; there are cifar10, "),
        (["train", "absent.yaml"], 5, "absent.yaml: cannot read the recipe"),
        (["train", "text.pt"], 2, "text.pt: expected settings by name"),
        (["sweep", "digits", "--over", "epochs"], 2, "--over epochs: expected KEY=A,B"),
        (["sweep", "digits", "--over", "epochs=1,x"], 2, "digits: epochs: 'x': input should be a valid integer"),
        (["export", "text.pt"], 2, "--out"),
        (["sweep-lut", "text.pt"], 3, "not a network written by wptrain"),
        (["sweep-lut", "text.pt", "--lut-bits", "5"], 2, "--lut-bits 5: expected one of 16, 8, 4"),
        (["sweep-act", "text.pt", "--act-bits", "9"], 2, "less than or equal to 8"),
        (["pretrain"], 2, "see wptrain --help"),
    ],
)
def test_wrong_usage_is_one_line(
    arguments: list[str],
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.pt").write_text("text", encoding="utf-8")
    assert run(arguments) == code
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("wptrain: ")]
    assert len(lines) == 1
    assert message in lines[0]
    assert [path.name for path in tmp_path.iterdir()] == ["text.pt"]


class SignalsWhenFreed:
    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


def test_signal_that_came_while_an_object_was_freed_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "unraisablehook", hear_again)
    before = listen()
    end = time.monotonic() + 30
    try:
        with pytest.raises(Interrupted, match="SIGTERM"):
            SignalsWhenFreed()
            while time.monotonic() < end:
                time.sleep(0.01)
    finally:
        restore_handlers(before)
