"""The training loop: seeded, resumable, the best epoch chosen on the validation split."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from threading import current_thread, main_thread
from types import FrameType
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from wpconvert.interrupts import Interrupted, listen, restore_handlers

from ..data import ahead
from ..data.draws import Key
from ..data.module import DataModule
from ..methods.method import Method, Training
from .evaluation import evaluate, to_torch
from .processes import SINGLE, Processes
from .settings import LoopSettings
from .state import Selected, State
from .synchronised import synchronised

_log = logging.getLogger(__name__)


class Observer(Protocol):
    """Something that watches: a progress bar, a log of metrics."""

    def start(self, epoch: int, steps: int) -> None: ...

    def step(self) -> None: ...

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """An epoch is over: the measurements, the learning rate at its end, the number of its phase, from 1."""
        ...


class Checkpoint(Protocol):
    """Where the state of a run is kept.

    `load` gives None when nothing was kept; `malformed` is what to raise when the state is not one of this run.
    """

    def load(self) -> dict[str, Any] | None: ...

    def malformed(self) -> Exception: ...

    def save(self, state: dict[str, Any]) -> None: ...


def prepare(network: nn.Module, methods: Mapping[str, Method], training: Training) -> None:
    """Let methods, by name, prepare a network for a training in their order, in place.

    Raises ValueError when a method cannot be used with the network, or two decide the weights of the same layer.
    """
    decided: dict[str, str] = {}
    for name, method in methods.items():
        method.prepare(network, training)
        for layer in method.layers(network):
            if layer in decided:
                raise ValueError(
                    f"methods {decided[layer]} and {name} both decide the weights of {layer}; leave one out, or "
                    "exclude the layer from one of them"
                )
            decided[layer] = name


def fit(
    network: nn.Module,
    data: DataModule,
    settings: LoopSettings,
    methods: Sequence[Method] = (),
    *,
    teacher: nn.Module | None = None,
    checkpoint: Checkpoint | None = None,
    observer: Observer | None = None,
    device: str = "cpu",
    processes: Processes = SINGLE,
) -> Selected:
    """Train `network`, which the methods have prepared, in place; leave it with the weights of the best epoch.

    Best is the highest validation accuracy, then the lowest validation loss. The test split is not read. A run that
    continues from a checkpoint ends with the same weights as one that was never interrupted. With a checkpoint a
    signal that asks the program to end is obeyed after the step that it interrupts, which is then saved.

    `teacher` is a trained network, which `settings.distil` needs. `device` is where to compute.

    Raises ValueError when no epoch may be selected or the teacher is missing; DivergedError when the loss is not
    finite, before anything is saved; Interrupted.
    """
    if settings.distil and teacher is None:
        raise ValueError(f"distil {settings.distil:g}: needs a teacher, or a network to start from")
    network.to(device)
    taught = copy.deepcopy(teacher).to(device).eval() if teacher is not None and settings.distil else None
    size = len(data.labels("train"))
    steps = -(-size // settings.batch_size)
    state = State(network, steps, settings, methods, taught, processes)
    if checkpoint is not None and (kept := checkpoint.load()) is not None:
        try:
            state.load_state_dict(kept)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, RuntimeError) as error:
            # PyTorch has no exception of its own for a state that does not fit.
            raise checkpoint.malformed() from error
        if state.earlier_world != processes.world:
            _log.warning(
                "the checkpoint is of %d processes, now there are %d: the last bits of the result will differ",
                state.earlier_world,
                processes.world,
            )

    def save() -> None:
        if checkpoint is not None:
            state.check_finite()
            if processes.rank == 0:
                checkpoint.save(state.state_dict())
            processes.wait()

    with synchronised(network, processes), _asked_to_end(checkpoint is not None) as asked:
        while state.epoch < settings.epochs:
            epoch = state.epoch
            if observer is not None:
                observer.start(epoch, steps)
            parts = _parts(state, size, settings, processes)
            with closing(ahead.batches(data, "train", parts, Key(settings.seed, epoch))) as made:
                for samples, labels in made:
                    state.take_step(to_torch(samples, torch.device(device)), torch.from_numpy(labels).to(device))
                    if observer is not None:
                        observer.step()
                    every = settings.checkpoint_steps
                    ends = _any(asked, processes, device)
                    if state.step < steps and (ends or (every and state.step % every == 0)):
                        save()
                        if ends:
                            raise Interrupted(ends)
            state.check_finite()
            with state.averaged():
                accuracy, loss = evaluate(network, data, "validation", processes)
                _log.info("epoch %d: validation accuracy %.4f, loss %.4f", epoch, accuracy, loss)
                told = {"validation_accuracy": accuracy, "validation_loss": loss, **state.progress()}
                state.finish_epoch(accuracy, loss)
            # Before the checkpoint: who is killed here repeats the epoch, and nothing is missing in a log.
            if observer is not None:
                observer.epoch(epoch, told)
            save()
            if ends := _any(asked, processes, device):
                raise Interrupted(ends)
    return state.load_best()


def _parts(state: State, size: int, settings: LoopSettings, processes: Processes) -> list[NDArray[np.int64]]:
    """Indices of this process's samples in each step that the epoch still has."""
    if state.step == 0:
        state.begin_epoch()
    state.train_mode()
    order = np.random.default_rng((settings.seed, state.epoch)).permutation(size)
    batches = np.split(order, range(settings.batch_size, size, settings.batch_size))
    return [processes.share(batch) for batch in batches[state.step :]]


@contextmanager
def _asked_to_end(deferred: bool) -> Iterator[list[int]]:
    """The signals that asked the program to end, if `deferred`; a second one ends it at once."""
    received: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if len(received) > 1:
            raise Interrupted(number)

    if not deferred or current_thread() is not main_thread():
        yield received
        return
    before = listen(note)
    try:
        yield received
    finally:
        restore_handlers(before)


def _any(asked: list[int], processes: Processes, device: str) -> int:
    """The signal that any process received; 0: none did."""
    own = asked[0] if asked else 0
    if processes.world == 1:
        return own
    told = torch.zeros(processes.world, dtype=torch.int64, device=device)
    told[processes.rank] = own
    return int(processes.sum(told).max())
