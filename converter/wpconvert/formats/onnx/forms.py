"""Two forms of an `.onnx` model: their weights by decoding, outputs by running both in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wpconvert.engines import ONNX_ENGINE, Engine, Sample
from wpconvert.engines.base import Advance
from wpconvert.engines.coverage import unexercised_outputs
from wpconvert.engines.inputs import Inputs, Port, random_samples
from wpconvert.errors import ModelError, UnsupportedError, UsageError
from wpconvert.files import staging
from wpconvert.formats.onnx.equality import constants_equal, lossy_weights
from wpconvert.formats.onnx.file import OnnxModel, with_path
from wpconvert.formats.onnx.files import Target
from wpconvert.formats.onnx.ports import interface_of, ports_of, shape_of
from wpconvert.formats.onnx.restore import restore
from wpconvert.formats.onnx.validity import invalidity
from wpconvert.formats.protocol import Runs, WeightLoss
from wpconvert.report.result import TensorCoverage

_RANDOM = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli")


@dataclass(frozen=True)
class OnnxForms:
    """An original and a rewritten model, each in its file."""

    original: OnnxModel
    rewritten: OnnxModel

    @property
    def names(self) -> list[str]:
        """Of the outputs."""
        return [value.name for value in self.original.proto.graph.output]

    def check(self) -> None:
        """UsageError unless both models have inputs and outputs of the same names, shapes and types."""
        interfaces = interface_of(self.original), interface_of(self.rewritten)
        for end, ours, theirs in zip(("inputs", "outputs"), *interfaces, strict=True):
            sides = [[(v.name, v.type.tensor_type.elem_type, shape_of(v)) for v in side] for side in (ours, theirs)]
            if sides[0] != sides[1]:
                shown = [[f"{name} {list(shape or ())}" for name, _, shape in side] for side in sides]
                raise UsageError(
                    f"the models have different {end}: {', '.join(shown[0])} and {', '.join(shown[1])}; "
                    "they are not two versions of one model"
                )

    def engine(self, name: str | None) -> Engine | None:
        """None: there is one engine; UsageError for the name of another."""
        if name not in (None, ONNX_ENGINE.name):
            raise UsageError(f"engine {name!r} does not execute .onnx models, expected {ONNX_ENGINE.name}")
        return None

    def ports(self) -> list[Port]:
        """The inputs."""
        return ports_of(self.original)

    def drawn(self, ports: Sequence[Port], count: int, seed: int) -> Inputs:
        """Random samples."""
        return random_samples(ports, count, seed)

    def weights(self) -> WeightLoss:
        """Compare all constants, those that were changed before they were stored apart."""
        with with_path(self.rewritten.path):
            lost, before = lossy_weights(self.rewritten), lossy_weights(self.original)
            equal = constants_equal(self.original, self.rewritten, lost)
            every = equal and (not lost or constants_equal(self.original, self.rewritten, set()))
        return WeightLoss(equal, every, bool(lost), before >= lost)

    def run(self, inputs: Inputs, engine: Engine | None, advance: Advance) -> Runs:  # noqa: ARG002 - what formats are given
        """Run both files in ONNX Runtime."""
        before = run_file(self.original.path, inputs.samples, advance)
        return Runs(ONNX_ENGINE.name, before, run_file(self.rewritten.path, inputs.samples, advance))

    def run_dense(self, inputs: Inputs, engine: Engine | None, runs: Runs) -> Runs:  # noqa: ARG002
        """The rewritten model's own dense form next to it, which has run already."""
        with staging(None) as folder:
            dense = Target.next_to(folder / self.rewritten.path.name)
            restore(self.rewritten.copy(), dense)
            return Runs(runs.engine, run_file(dense.model, inputs.samples, lambda: None), runs.after)

    def covered(self, runs: Runs) -> tuple[tuple[TensorCoverage, ...], tuple[str, ...]]:
        """Nothing of inner values; the names of outputs of which the samples exercise nothing."""
        return (), unexercised_outputs(self.names, runs.before)

    def why(self, runs: Runs) -> list[str]:  # noqa: ARG002
        """Whether no two runs of the model have their outputs in common."""
        nodes = [node for scope in self.original.scopes for node in scope.body.node if node.op_type in _RANDOM]
        return [f"{nodes[0].op_type} generates random numbers: two runs of the original differ, too"] if nodes else []


def run_file(path: Path, samples: Sequence[Sample], advance: Advance) -> list[Sample]:
    """The outputs of a model; ModelError for one that is not valid, UnsupportedError for others that do not run."""
    try:
        return ONNX_ENGINE.run(path, samples, advance)
    except UnsupportedError as error:
        problem = invalidity(path)
        if problem is not None:
            raise ModelError(f"{path}: {problem}") from error
        hint = "; if these inputs are not suitable, give others with --inputs" if "while running" in str(error) else ""
        raise UnsupportedError(f"{path}: {error}{hint}") from error
