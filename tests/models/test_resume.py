"""A training that was interrupted ends with the bits of one that was not, with every method and setting of the loop."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

if any(importlib.util.find_spec(name) is None for name in ("torch", "litert_torch", "onnxscript")):
    pytest.skip("torch not installed: training needs `make setup-train`", allow_module_level=True)

import torch
from torch import Tensor, nn

from wptrain.cli.main import run
from wptrain.data.sets import digits
from wptrain.loop.checkpoint import Checkpoint
from wptrain.loop.devices import make_deterministic
from wptrain.loop.settings import LoopSettings, Schedule
from wptrain.loop.state import Selected
from wptrain.loop.trainer import fit, prepare
from wptrain.methods import METHODS, open_all
from wptrain.methods.magnitude import prunable_layers, sparsity_within
from wptrain.methods.method import Method, ParameterGroup, Phase, Training
from wptrain.networks.ds_cnn import DsCnn
from wptrain.trained import Trained

from .trainees import network

PLAIN = LoopSettings(epochs=3, seed=5, batch_size=128)
LOOPS = {
    "plain": PLAIN,
    "average": PLAIN.model_copy(update={"ema": 0.9}),
    "warm-up": PLAIN.model_copy(update={"schedule": Schedule(warm_up=0.5)}),
    "steps": PLAIN.model_copy(update={"schedule": Schedule(name="step", milestones=(0.4,))}),
    "often": PLAIN.model_copy(update={"checkpoint_steps": 2}),
}


class Everything(Method):
    """Uses each part of the protocol: phases, groups, a term of the loss, random numbers, a state."""

    def __init__(self) -> None:
        self._classifier = nn.Linear(1, 1)
        self._noise = torch.zeros(())

    def prepare(self, network: nn.Module, training: Training) -> None:
        del training
        self._classifier = network.classifier

    def phases(self, epochs: int) -> tuple[Phase, ...]:
        return (
            Phase(1, learning_rate=0.5, selectable=False),
            Phase(epochs - 1, fresh_optimiser=True, frozen_statistics=True),
        )

    def parameter_groups(self, network: nn.Module) -> tuple[ParameterGroup, ...]:
        return (ParameterGroup((network.classifier.bias,), learning_rate=2.0, weight_decay=0.0),)

    def loss(self, network: nn.Module) -> Tensor:
        return 1e-3 * network.classifier.weight.square().sum() * self._noise

    def before_epoch(self, epoch: int) -> None:
        del epoch
        self._noise = torch.rand(())

    def state_dict(self) -> dict[str, Tensor]:
        return {"noise": self._noise}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self._noise = state["noise"]


# Settings with which something happens in three epochs; other methods have those that they have without any.
SETTINGS: dict[str, dict[str, object]] = {
    "magnitude": {"sparsity": 0.5, "ramp": 0.7},
    "pool": {"size": 8, "refresh": 2},
    "quantise": {"bits": 4},
}


def methods(name: str) -> dict[str, Method]:
    if name == "everything":
        return {name: Everything()}
    return open_all({each: SETTINGS.get(each, {}) for each in name.split("+") if each})


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


def train(
    settings: LoopSettings, method: str, checkpoint: Checkpoint | None, stop: StopsIn | None = None
) -> tuple[nn.Module, Selected]:
    make_deterministic(seed=5, threads=1)
    network, used = DsCnn(), methods(method)
    prepare(network, used, Training(settings.seed, settings.epochs))
    return network, fit(network, digits.load(), settings, list(used.values()), checkpoint=checkpoint, observer=stop)


@pytest.mark.parametrize("method", ["", "everything", "pool+quantise", *METHODS])
@pytest.mark.parametrize("loop", LOOPS)
def test_resumed_run_ends_with_the_bits_of_an_uninterrupted_one(tmp_path: Path, loop: str, method: str) -> None:
    path = tmp_path / "folder" / "run.checkpoint"
    for epoch in (0, 2):
        with pytest.raises(Interrupted):
            train(LOOPS[loop], method, Checkpoint(path, {}), StopsIn(epoch))
        assert path.exists() == (epoch > 0 or loop == "often")
    kept = Checkpoint(path, {}).load()
    assert kept is not None
    assert (kept["epoch"], kept["step"]) == ((2, 4) if loop == "often" else (2, 0))
    resumed, best_resumed = train(LOOPS[loop], method, Checkpoint(path, {}))
    whole, best = train(LOOPS[loop], method, None)
    assert best_resumed == best
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_average_of_pruned_weights_is_pruned() -> None:
    network, _ = train(LOOPS["average"], "magnitude", None)
    needed = sparsity_within(network, 0.5)
    for name, layer in prunable_layers(network).items():
        assert int((layer.weight == 0).sum()) == round(needed * layer.weight.numel()), name


# Sends itself a signal after so many steps.
SIGNALLED = """
import os, sys
from wptrain.cli import main, train
number, left = int(sys.argv.pop(1)), int(sys.argv.pop(1))
shown = train._Watcher.step
def step(watcher):
    global left
    shown(watcher)
    left -= 1
    if not left:
        os.kill(os.getpid(), number)
train._Watcher.step = step
main.main()
"""


@pytest.mark.parametrize("recipe", ["digits", "digits-magnitude", "digits-pool", "digits-quantise"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signals_change_nothing(tmp_path: Path, recipe: str, number: signal.Signals) -> None:
    start = () if recipe == "digits" else ("--set", f"start={network(tmp_path / 'a.pt', 1)}")
    settings = ("--set", "epochs=2", "--set", "batch_size=128", "--set", "checkpoint_steps=3")
    command = ["train", recipe, *start, *settings, "--out"]
    killed = subprocess.run(
        [sys.executable, "-c", SIGNALLED, str(int(number)), "14", *command, str(tmp_path / "killed")],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
    )
    assert killed.returncode == (-number if number == signal.SIGKILL else 128 + number), killed.stderr
    path = tmp_path / "killed" / f"{recipe}.checkpoint"
    state = torch.load(path, weights_only=True)["state"]
    # Asked to end, it ends after the step: the fourteenth, of ten an epoch.
    assert (state["epoch"], state["step"]) == ((1, 3) if number == signal.SIGKILL else (1, 4))
    assert run([*command, str(tmp_path / "killed")]) == 0
    assert run([*command, str(tmp_path / "whole")]) == 0
    contents = [Trained.load(tmp_path / folder / f"{recipe}.pt").content() for folder in ("killed", "whole")]
    assert contents[0] == contents[1]
