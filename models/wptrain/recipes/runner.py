"""What a recipe does."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from wpconvert.errors import FileError, UsageError

from .. import data as datasets
from .. import methods
from ..data.module import DataModule
from ..errors import DataError
from ..loop.checkpoint import Value
from ..loop.devices import choose_device, make_deterministic
from ..loop.processes import SINGLE, Processes
from ..loop.state import Selected
from ..loop.trainer import Checkpoint, Observer, fit, prepare
from ..methods.method import Training
from ..networks import NETWORKS
from ..trained import Methods, Trained, build
from .recipe import Recipe

# They say where to find what the identity has the content of, or how often to save.
_ELSEWHERE = {"start", "teacher", "checkpoint_steps", "device"}


@dataclass(frozen=True)
class Prepared:
    """A recipe with what it names: data that fit the network, networks to start from and to learn from."""

    recipe: Recipe
    data: DataModule
    device: str
    start: Trained | None
    teacher: Trained | None

    def identity(self) -> dict[str, Value]:
        """All that decides the result, by name; networks and data by hashes of their content."""
        decides = _flat("", self.recipe.model_dump(mode="json", exclude=_ELSEWHERE))
        del decides["data.source"]
        decides |= {"device": self.device, "dataset_content": self.data.identity()}
        for name, network in (("network_content", self.start), ("teacher_content", self.teacher)):
            if network is not None:
                decides[name] = network.content()
        return decides


def open_recipe(recipe: Recipe) -> Prepared:
    """Read what a recipe names.

    Raises FileError for files that cannot be read, DataError for those that are malformed or do not fit together,
    UsageError for settings that are not possible.
    """
    device = choose_device(recipe.device)
    start = load_network(recipe.start) if recipe.start is not None else None
    if start is not None and start.methods:
        raise UsageError(
            f"{recipe.start}: was trained with {', '.join(start.methods)}, expected a network without methods"
        )
    teacher = load_network(recipe.teacher) if recipe.teacher is not None else start
    data = datasets.load(recipe.data.source, recipe.data.options)
    for path, trained in ((recipe.start, start), (recipe.teacher, teacher)):
        if path is not None and trained is not None:
            check_pair(path, trained, data, recipe.data.source)
    if recipe.network is not None:
        _check_size(recipe.network, data)
    return Prepared(recipe, data, device, start, teacher)


def train(
    prepared: Prepared,
    *,
    checkpoint: Checkpoint | None = None,
    observer: Observer | None = None,
    processes: Processes = SINGLE,
    device: str | None = None,
) -> tuple[Trained, Selected]:
    """The trained network and its best epoch. Raises UsageError for methods that are not possible, else as `fit`."""
    recipe, data = prepared.recipe, prepared.data
    make_deterministic(recipe.seed, recipe.threads)
    classes = len(data.classes)
    if prepared.start is not None:
        name, network = prepared.start.network_name, copy.deepcopy(prepared.start.network)
    else:
        name = str(recipe.network)
        network = build(name, data.sample_shape[2], classes)
    try:
        chosen = _choose(prepared, network, checkpoint, processes, device or prepared.device)
        used = methods.open_all(chosen)
        prepare(network, used, Training(recipe.seed, recipe.epochs))
        selected = fit(
            network,
            data,
            recipe,
            list(used.values()),
            teacher=prepared.teacher.network if prepared.teacher is not None else None,
            checkpoint=_Checkpoint(checkpoint, chosen) if checkpoint is not None else None,
            observer=observer,
            device=device or prepared.device,
            processes=processes,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    return Trained(name, data.sample_shape, classes, network.cpu(), chosen), selected


@dataclass(frozen=True)
class _Checkpoint:
    """A checkpoint that also holds what methods chose."""

    inner: Checkpoint
    chosen: Methods

    def load(self) -> dict[str, Any] | None:
        return self.inner.load()

    def malformed(self) -> Exception:
        return self.inner.malformed()

    def save(self, state: dict[str, Any]) -> None:
        self.inner.save({**state, "chosen": self.chosen})


def _choose(
    prepared: Prepared, network: nn.Module, checkpoint: Checkpoint | None, processes: Processes, device: str
) -> Methods:
    """The settings of the methods, with those that they choose; a training that continues keeps its choice."""
    given = prepared.recipe.methods
    if checkpoint is not None and (kept := checkpoint.load()) is not None:
        try:
            chosen: Methods = kept["chosen"]
            if list(chosen) != list(given):
                raise ValueError("chosen")
            methods.open_all(chosen)
        except (AttributeError, KeyError, TypeError, ValueError, UsageError) as error:
            raise checkpoint.malformed() from error
        return chosen
    measured = copy.deepcopy(network).to(device)
    return processes.agree(
        {
            name: {**given[name], **method.choose(measured, prepared.data, prepared.recipe.seed)}
            for name, method in methods.open_all(given).items()
        }
    )


def load_network(path: Path) -> Trained:
    """The network of a file. Raises FileError when it cannot be read, DataError when it is none."""
    try:
        return Trained.load(path)
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(str(error)) from error


def check_pair(path: Path, trained: Trained, data: DataModule, choice: str) -> None:
    """DataError when the samples or the number of classes of a dataset are not those of a network."""
    if trained.image_shape != data.sample_shape or trained.classes != len(data.classes):
        raise DataError(
            f"{path}: made for {_kind(trained.image_shape, trained.classes)}; dataset {choice} has "
            f"{_kind(data.sample_shape, len(data.classes))}; give the dataset that it was trained with"
        )


def _kind(image_shape: tuple[int, int, int], classes: int) -> str:
    height, width, channels = image_shape
    return f"images of {height} x {width} x {channels} in {classes} classes"


def _check_size(network: str, data: DataModule) -> None:
    """UsageError when the network is unknown or its poolings leave nothing of the dataset's samples."""
    height, width, channels = data.sample_shape
    try:
        build(network, channels, len(data.classes)).eval()(torch.zeros(1, channels, height, width))
    except (RuntimeError, ValueError) as error:
        known = network in NETWORKS
        reason = f"does not take images of {height} x {width} pixels" if known else "unknown"
        raise UsageError(f"network {network}: {reason}; expected one of {', '.join(NETWORKS)}") from error


def _flat(prefix: str, settings: Mapping[str, object]) -> dict[str, Value]:
    """Settings by names with dots inside."""
    flat: dict[str, Value] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(f"{prefix}{name}.", value)
        else:
            flat[f"{prefix}{name}"] = value if isinstance(value, str | int | float | bool | None) else repr(value)
    return flat
