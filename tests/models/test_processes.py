"""Two processes train as one would, and continue bit by bit."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

if any(importlib.util.find_spec(name) is None for name in ("torch", "litert_torch", "onnxscript")):
    pytest.skip("torch not installed: training needs `make setup-train`", allow_module_level=True)

from wptrain.cli.main import run
from wptrain.trained import Trained

from .test_resume import SIGNALLED
from .trainees import network

# Each process has half of the samples.
NORMALISED = """
import torch
from torch import nn
from wptrain.loop.processes import joined
from wptrain.loop.synchronised import synchronised
torch.manual_seed(0)
x, slope = torch.randn(2, 6, 3, 4, 4)
whole, own = nn.BatchNorm2d(3), nn.Sequential(nn.BatchNorm2d(3))
with joined("cpu") as (processes, _):
    whole_x, own_x = x.clone().requires_grad_(), x[processes.rank::2].clone().requires_grad_()
    expected = whole(whole_x)
    (expected * slope).sum().backward()
    with synchronised(own, processes):
        found = own(own_x)
        (found * slope[processes.rank::2]).sum().backward()
    assert torch.allclose(found, expected[processes.rank::2], atol=1e-5)
    assert torch.allclose(own_x.grad, whole_x.grad[processes.rank::2], atol=1e-5)
    assert torch.allclose(own[0].running_var, whole.running_var, atol=1e-6)
    assert torch.allclose(own[0].running_mean, whole.running_mean, atol=1e-6)
    assert "forward" not in vars(own[0])
"""


def two(*arguments: str) -> subprocess.CompletedProcess[str]:
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run([*start, *arguments], capture_output=True, text=True, check=False)


def test_batch_normalisation_sees_the_samples_of_all_processes(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(NORMALISED)
    result = two(str(tmp_path / "script.py"))
    assert result.returncode == 0, result.stderr


def test_two_processes_continue_bit_by_bit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    start = network(tmp_path / "a.pt", 1)
    changes = [
        "epochs=2",
        "batch_size=128",
        "methods.pool.size=8",
        "ema=0.5",
        "methods.pool.refresh=1",
        "methods.pool.dense_bytes=3000",
        "methods.pool.freeze_assignments=0.5",
        "methods.quantise.bits=6",
        f"start={start}",
    ]
    command = ["train", "digits-pool", *(word for change in changes for word in ("--set", change)), "--out"]
    whole = two("-m", "wptrain", *command, str(tmp_path / "whole"))
    assert whole.returncode == 0, whole.stderr
    assert whole.stdout.count("validation accuracy") == 1
    # The first process gets the signal; both stop after the same step.
    (tmp_path / "signalled.py").write_text(SIGNALLED.replace('"""', ""))
    stopped = two(str(tmp_path / "signalled.py"), "15", "14", *command, str(tmp_path / "stopped"))
    assert stopped.returncode != 0
    assert stopped.stderr.count("wptrain: terminated by SIGTERM; run the same command again") == 1, stopped.stderr
    again = two("-m", "wptrain", *command, str(tmp_path / "stopped"))
    assert again.returncode == 0, again.stderr
    folders = [tmp_path / name for name in ("whole", "stopped")]
    contents = [Trained.load(folder / "digits-pool.pt").content() for folder in folders]
    assert contents[0] == contents[1]
    # Another number of processes continues, with a note, and computes nearly the same.
    assert run([*command, str(tmp_path / "whole")]) == 0
    assert "the checkpoint is of 2 processes, now there are 1" in caplog.text
    assert run([*command, str(tmp_path / "one")]) == 0
    losses = [
        json.loads((tmp_path / name / "digits-pool.jsonl").read_text().splitlines()[0])["validation_loss"]
        for name in ("whole", "one")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
