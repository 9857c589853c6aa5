"""The commands `wptrain data …`: files made from a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from wpconvert.errors import UsageError
from wpconvert.files import write_all
from wpconvert.report.printable import printable

from ..data import check as checking
from ..data import copies
from ..data.module import SPLITS
from ..errors import DataError
from .options import ERR, DataOption, DatasetArgument, load_dataset

PerClassOption = Annotated[
    int | None,
    typer.Option(
        "--per-class", min=1, metavar="N", help="Samples of each class; all if not given.", show_default=False
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed by which samples of a class are drawn.")]

app = typer.Typer(help="Make files from a dataset.", no_args_is_help=True)


@app.command()
def subset(
    dataset: DatasetArgument,
    out: Annotated[Path, typer.Option("--out", metavar="OUT.npz", help="Output file.", show_default=False)],
    split: Annotated[str, typer.Option("--split", metavar="|".join(SPLITS), help="Which samples.")] = "test",
    per_class: PerClassOption = None,
    seed: SeedOption = 0,
    options: DataOption = None,
) -> None:
    """Write samples and labels for wpconvert --eval and --calibrate: OUT.npz."""
    chosen = next((name for name in SPLITS if name == split), None)
    if chosen is None:
        raise UsageError(f"--split {split}: expected one of {', '.join(SPLITS)}")
    if out.suffix.lower() != ".npz":
        raise UsageError(f"--out {out}: expected a name that ends in .npz")
    _write(out, copies.samples_file(load_dataset(dataset, options), chosen, per_class, seed))


@app.command()
def archive(
    dataset: DatasetArgument,
    out: Annotated[Path, typer.Option("--out", metavar="OUT.tar[.xz]", help="Output file.", show_default=False)],
    quality: Annotated[int, typer.Option("--quality", min=1, max=95, help="Quality of the JPEG images.")] = 75,
    per_class: PerClassOption = None,
    seed: SeedOption = 0,
    options: DataOption = None,
) -> None:
    """Write all images as JPEG files in an archive for images:PATH."""
    suffix = copies.archive_suffix(out)
    _write(out, copies.archive(load_dataset(dataset, options), suffix, quality, per_class, seed))


@app.command()
def check(dataset: DatasetArgument, options: DataOption = None) -> None:
    """Read every sample once and say what the dataset is; a line for each one that cannot be read."""
    module = load_dataset(dataset, options)
    total = sum(len(module.labels(split)) for split in SPLITS)
    with Progress(console=ERR, transient=True, disable=not ERR.is_terminal) as progress:
        task = progress.add_task("reading", total=total)
        found = checking.check(module, lambda count: progress.advance(task, count))
    for problem in found.problems:
        typer.echo(printable(problem))
    if found.problems:
        raise DataError(f"{dataset}: {len(found.problems)} of {total} samples cannot be read")
    shape = " x ".join(map(str, module.sample_shape))
    sizes = ", ".join(f"{found.sizes[split]:,} {split}" for split in SPLITS)
    typer.echo(f"{module.provenance.name}: {len(module.classes)} classes; {sizes}")
    typer.echo(f"samples: {shape}, from {found.lowest:g} to {found.highest:g}")
    typer.echo(f"identity: {module.identity()}")


def _write(out: Path, content: bytes) -> None:
    write_all({out: content})
    typer.echo(f"{out}: {len(content):,} bytes")
