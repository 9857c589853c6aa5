"""The commands of `wptrain`: options, progress and files around the recipes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from wpconvert.errors import UsageError
from wpconvert.files import write_all

from ..data.module import DataModule
from ..loop.checkpoint import Checkpoint
from ..loop.trainer import Selected, TrainSettings, evaluate
from ..networks import NETWORKS
from ..recipes import pool as pool_recipe
from ..recipes import pretrain as pretrain_recipe
from ..report.tracking import Run, track
from ..trained import Trained, build
from .options import (
    ERR,
    BatchOption,
    DataOption,
    DatasetOption,
    DecayOption,
    DeviceOption,
    EpochsOption,
    NetworkArgument,
    OutOption,
    PrecisionOption,
    RateOption,
    SeedOption,
    ThreadsOption,
    TrackOption,
    checked_device,
    load_dataset,
    load_network,
    load_pair,
    quiet_converters,
)

PRETRAINED = "pretrained.pt"
POOLED = "pooled.pt"
_PRETRAIN = pretrain_recipe.PretrainSettings()
_POOL = pool_recipe.PoolSettings()


@dataclass
class _Watcher:
    """Shows the steps of an epoch, and gives its metrics to the run."""

    progress: Progress
    run: Run
    epochs: int
    task: TaskID = field(init=False)

    def __post_init__(self) -> None:
        self.task = self.progress.add_task("")

    def start(self, epoch: int, steps: int) -> None:
        self.progress.reset(self.task, total=steps, description=f"epoch {epoch + 1} of {self.epochs}")

    def step(self) -> None:
        self.progress.advance(self.task)

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        self.run.metrics(epoch, metrics)
        told = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in metrics.items())
        self.progress.console.print(f"epoch {epoch + 1} of {self.epochs}: {told}")


@contextmanager
def _watched(
    title: str,
    out: Path,
    tracked: bool,
    settings: TrainSettings,
    choice: str,
    options: Sequence[str] | None,
    dataset: DataModule,
    dense: Trained | None,
) -> Iterator[tuple[_Watcher, Checkpoint]]:
    """Progress bar, run and checkpoint of one training; a bad setting ends as UsageError.

    A checkpoint belongs to a training by its settings and by the content of its data and of the `dense` network that
    it starts from, wherever these lie and whatever they are called.
    """
    decides = asdict(settings) | {"dataset_content": dataset.identity(), "data": " ".join(sorted(options or ()))}
    if dense is not None:
        decides |= {"network": dense.network_name, "network_content": dense.content()}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with (
            track(tracked, out, title, decides, {"dataset": choice}) as run,
            Progress(*columns, console=ERR, transient=True, disable=not ERR.is_terminal) as progress,
        ):
            yield _Watcher(progress, run, settings.epochs), Checkpoint(out / f"{title}.checkpoint", decides)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _check_fit(network: str, dataset: DataModule) -> None:
    """UsageError when the network is unknown or its poolings leave nothing of the dataset's images."""
    height, width, channels = dataset.sample_shape
    try:
        build(network, channels, len(dataset.classes)).eval()(torch.zeros(1, channels, height, width))
    except (RuntimeError, ValueError) as error:
        known = network in NETWORKS
        reason = f"does not take images of {height} x {width} pixels" if known else "unknown"
        raise UsageError(f"network {network}: {reason}; expected one of {', '.join(NETWORKS)}") from error


def pretrain(
    dataset: DatasetOption = "digits",
    data: DataOption = None,
    network: Annotated[str, typer.Option("--network", help=f"One of {', '.join(NETWORKS)}.")] = "ds-cnn",
    precision: PrecisionOption = _PRETRAIN.precision,
    epochs: EpochsOption = _PRETRAIN.epochs,
    learning_rate: RateOption = _PRETRAIN.learning_rate,
    weight_decay: DecayOption = _PRETRAIN.weight_decay,
    batch_size: BatchOption = _PRETRAIN.batch_size,
    seed: SeedOption = _PRETRAIN.seed,
    threads: ThreadsOption = _PRETRAIN.threads,
    device: DeviceOption = _PRETRAIN.device,
    out: OutOption = Path("wptrain-out"),
    tracked: TrackOption = False,
) -> None:
    """Train a dense network: FOLDER/pretrained.pt. Run again, it continues after the last whole epoch."""
    settings = pretrain_recipe.PretrainSettings(
        network=network,
        precision=precision,
        seed=seed,
        epochs=epochs,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        batch_size=batch_size,
        threads=threads,
        device=checked_device(device),
    )
    images = load_dataset(dataset, data)
    _check_fit(network, images)
    with _watched("pretrain", out, tracked, settings, dataset, data, images, None) as (watcher, checkpoint):
        trained, best = pretrain_recipe.pretrain(images, settings, checkpoint=checkpoint, observer=watcher)
        _save(trained, out / PRETRAINED, watcher.run)
    _tell(out / PRETRAINED, trained, images, best)


def pool(
    source: NetworkArgument,
    dataset: DatasetOption = "digits",
    data: DataOption = None,
    pool_size: Annotated[int, typer.Option("--pool-size", help="Number of vectors in the pool.")] = _POOL.pool_size,
    lut_bits: Annotated[int, typer.Option("--lut-bits", help="Bits of a look-up entry.")] = _POOL.lut_bits,
    train_pool: Annotated[
        bool, typer.Option("--train-pool/--freeze-pool", help="Train the pool's vectors, or keep them fixed.")
    ] = _POOL.train_pool,
    refresh: Annotated[
        int, typer.Option("--refresh", min=0, metavar="N", help="Repeat the clustering every N epochs; 0: never.")
    ] = _POOL.refresh,
    distil: Annotated[
        float,
        typer.Option("--distil", min=0.0, max=1.0, help="Share of the loss for distillation from the dense network."),
    ] = _POOL.distil,
    precision: PrecisionOption = _POOL.precision,
    epochs: EpochsOption = _POOL.epochs,
    learning_rate: RateOption = _POOL.learning_rate,
    weight_decay: DecayOption = _POOL.weight_decay,
    batch_size: BatchOption = _POOL.batch_size,
    seed: SeedOption = _POOL.seed,
    threads: ThreadsOption = _POOL.threads,
    device: DeviceOption = _POOL.device,
    out: OutOption = Path("wptrain-out"),
    tracked: TrackOption = False,
) -> None:
    """Pool a dense network's weights and retrain it: FOLDER/pooled.pt. Continues as pretrain does."""
    settings = pool_recipe.PoolSettings(
        pool_size=pool_size,
        lut_bits=lut_bits,
        train_pool=train_pool,
        refresh=refresh,
        distil=distil,
        precision=precision,
        seed=seed,
        epochs=epochs,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        batch_size=batch_size,
        threads=threads,
        device=checked_device(device),
    )
    dense, images = load_pair(source, dataset, data)
    with _watched("pool", out, tracked, settings, dataset, data, images, dense) as (watcher, checkpoint):
        trained, best = pool_recipe.pool(dense, images, settings, checkpoint=checkpoint, observer=watcher)
        _save(trained, out / POOLED, watcher.run)
    _tell(out / POOLED, trained, images, best)


def export(
    source: NetworkArgument,
    out: Annotated[Path, typer.Option("--out", metavar="OUT.tflite|.onnx", help="Output file.", show_default=False)],
    dataset: DatasetOption = "digits",
    data: DataOption = None,
) -> None:
    """Write a network as an int8 .tflite, pooled weights stay exactly pooled; or as a float32 .onnx."""
    suffix = out.suffix.lower()
    if suffix not in {".tflite", ".onnx"}:
        raise UsageError(f"--out {out}: expected a name that ends in .tflite or .onnx")
    quiet_converters()
    # Takes seconds, which only this command needs to spend.
    from ..exporters.trained import export as to_tflite  # noqa: PLC0415
    from ..exporters.trained import export_onnx  # noqa: PLC0415

    try:
        if suffix == ".onnx":
            content = export_onnx(load_network(source))
        else:
            content = to_tflite(*load_pair(source, dataset, data))
    except ValueError as error:
        raise UsageError(str(error)) from error
    write_all({out: content})
    typer.echo(f"{out}: {len(content):,} bytes")


def _tell(path: Path, trained: Trained, dataset: DataModule, best: Selected) -> None:
    test, _ = evaluate(trained.network, dataset, "test")
    typer.echo(
        f"{path}: epoch {best.epoch + 1}, validation accuracy {best.validation_accuracy:.4f}, test accuracy {test:.4f}"
    )


def _save(trained: Trained, path: Path, run: Run) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    trained.save(path)
    run.artifact(path)
