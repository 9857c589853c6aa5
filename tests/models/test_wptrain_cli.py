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
    assert run(["pretrain"]) == 6
    assert "make setup-train" in capsys.readouterr().err


@needs_training
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["pretrain", "--dataset", "nothing"], 2, "dataset 'nothing': expected one of digits"),
        (["pretrain", "--network", "vgg"], 2, "network vgg: unknown"),
        (["pretrain", "--network", "resnet-10"], 2, "does not take images of 8 x 8 pixels"),
        (["pretrain", "--network", "ds-cnn", "--device", "tpu"], 2, "expected auto, cpu or cuda"),
        (["pretrain", "--dataset", "images:absent"], 5, "no such folder or archive"),
        (["pool", "absent.pt"], 5, "absent.pt: cannot be read"),
        (["pool", "text.pt"], 3, "not a network written by wptrain"),
        (["export", "text.pt"], 2, "--out"),
        (["sweep-pool", "text.pt"], 3, "not a network written by wptrain"),
        (["sweep-lut", "text.pt", "--lut-bits", "5"], 2, "--lut-bits 5: expected one of 16, 8, 4"),
        (["sweep-act", "text.pt", "--act-bits", "9"], 2, "less than or equal to 8"),
        (["train"], 2, "see wptrain --help"),
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
