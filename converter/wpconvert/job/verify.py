"""Whether two models compute the same: one verdict for all file formats."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wpconvert.engines import Engine
from wpconvert.engines.base import Advance
from wpconvert.engines.comparison import compare_output
from wpconvert.engines.inputs import Inputs
from wpconvert.errors import UsageError
from wpconvert.formats.protocol import Comparison, Forms, Lowering, Runs, Source
from wpconvert.formats.registry import format_of
from wpconvert.job.progress import Stages, silent
from wpconvert.job.sampling import Sampling
from wpconvert.model.reasons import not_of_dense
from wpconvert.report.result import OutputComparison, Verification

LOSSLESS = "identical outputs"
OF_DENSE = "the outputs of the dense model with the same weights"
OF_FEW_BITS = "consistent weights and tables; with reduced activation bits there is no equivalent dense model"


def verify_files(
    original: Path,
    rewritten: Path,
    *,
    sampling: Sampling | None = None,
    engine: str | None = None,
    stages: Stages = silent,
) -> Verification:
    """Compare two files; `verdict` says how. engine: the name of one, by default the format's own choice.

    Raises FileError, ModelError, UnsupportedError, and UsageError where the files are not two forms of one model.
    """
    comparison = _compared_files(original, rewritten)
    chosen = comparison.engine(engine)
    inputs = (sampling or Sampling()).inputs_for(comparison)
    with stages("verify", 2 * len(inputs.samples)) as stage:
        return verdict(comparison, inputs, chosen, stage.advance)


def compared(original: Source, other: Source) -> Comparison:
    """The comparison of two models. UsageError where their formats have none."""
    found = original.compared(other)
    if found is None:
        raise UsageError(f"{original.path} and {other.path} are models of formats that cannot be compared")
    return found


def _compared_files(original: Path, rewritten: Path) -> Comparison:
    """The comparison of two files; raises what `compared` raises."""
    first, second = format_of(original), format_of(rewritten)
    if first is not second and first.suffix in second.lowers_to:
        raise UsageError(f"give the {second.suffix} model first, then the {first.suffix} model made from it")
    return compared(first.read(original), second.read(rewritten))


def verdict(
    comparison: Comparison, inputs: Inputs, engine: Engine | None = None, advance: Advance = lambda: None
) -> Verification:
    """Run two models on the same samples and compare every output, and what operators compute, bit by bit.

    The verdict needs equal weights and equal bits. Of a lossy model, the weights that were not changed have to be
    equal, and the values to be those of its own dense model, unless it computes with fewer bits than any dense one. A
    lowered model is compared as its format says. `advance` is called twice a sample. Raises UsageError when the models
    have different inputs or outputs, UnsupportedError when nothing runs them.
    """
    comparison.check()
    if not inputs.samples:
        raise UsageError("no samples to compare: the inputs are empty")
    if isinstance(comparison, Lowering):
        return comparison.verify(inputs, engine, advance)
    if not isinstance(comparison, Forms):
        raise TypeError(f"{comparison} is no comparison")
    weights = comparison.weights()
    runs = comparison.run(inputs, engine, advance)
    notes = [*inputs.notes, *runs.notes]
    outputs = _compared(comparison.names, runs, inputs.labels)
    # A lossy file beside itself, or one whose original was as lossy, has lost nothing.
    same = all(output.equal for output in outputs) and weights.all_equal
    lossy = weights.lossy and not (same and weights.before)
    kept, kept_runs = outputs, runs
    if lossy and not weights.reduced:
        kept_runs = comparison.run_dense(inputs, engine, runs)
        kept = _compared(comparison.names, kept_runs, None)
        notes += not_of_dense([(output.name, output.different) for output in kept if not output.equal])
    coverage, unexercised = comparison.covered(runs)
    promised = not (lossy and weights.reduced)
    equal = all(output.equal for output in kept) and not kept_runs.different
    if promised and not equal:
        notes += comparison.why(kept_runs)
    return Verification(
        weights.equal and (equal or not promised),
        LOSSLESS if not lossy else OF_FEW_BITS if weights.reduced else OF_DENSE,
        runs.engine,
        len(inputs.samples),
        weights.equal,
        outputs,
        tuple(notes),
        lossy,
        coverage,
        unexercised,
    )


def _compared(names: Sequence[str], runs: Runs, labels: NDArray[np.int64] | None) -> tuple[OutputComparison, ...]:
    return tuple(compare_output(name, i, runs.before, runs.after, labels) for i, name in enumerate(names))
