"""One network through the whole chain; everything that has to be equal is compared."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from tools.onnx_bench.chain import Images, channels_first, export, predict, pruned, quantise, run, zeros
from tools.onnx_bench.module import TranslatedNetwork
from tools.onnx_bench.networks import CALIBRATION_SAMPLES, Case
from wpconvert.benchmark.measure import benchmark
from wpconvert.engines import Sample
from wpconvert.engines.inputs import Inputs
from wpconvert.engines.litert import LiteRtEngine
from wpconvert.engines.native import NativeEngine
from wpconvert.engines.reference import ReferenceEngine
from wpconvert.engines.target import TargetEngine
from wpconvert.errors import UsageError, VerificationError
from wpconvert.formats.onnx.draft import METHODS as ONNX_METHODS
from wpconvert.formats.onnx.file import read as read_onnx
from wpconvert.formats.onnx.files import Target
from wpconvert.formats.onnx.forms import OnnxForms
from wpconvert.formats.onnx.mixed import samples_for
from wpconvert.formats.onnx.source import OnnxSource
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.model import quantization_of, shape_of
from wpconvert.job.convert import convert_bytes, convert_to
from wpconvert.job.verify import verdict
from wpconvert.lowering import calibrate, lower
from wpconvert.model.goal import BALANCED, Goal
from wpconvert.model.rules import AUTO, Rules
from wpconvert.model.settings import Settings
from wpconvert.target.board import boards
from wpconvert.transforms.pool_settings import POOL

REWRITTEN = tuple(method for method in ONNX_METHODS if method != "none")
"""The methods for `.onnx` files."""
FLOAT = (AUTO,)
"""Those for the float model."""
TARGETS = ("corstone300", "mps2-m4")
COMPARED = 100
"""Samples on which files are compared bit for bit in ONNX Runtime."""
ON_BOARDS = 3
"""Samples that boards run."""
_FOLLOWED = 200
_LEAST_AGREEMENT = 0.9

QUANTISERS = ("`quantize_static`", "`--calibrate`")


@dataclass(frozen=True)
class File:
    """An `.onnx` file by a method. top1: of all evaluated samples, where the method is lossy."""

    method: str
    nbytes: int
    top1: float | None = None


@dataclass(frozen=True)
class Accuracy:
    """A quantised model and its lowered one.

    top1: ONNX Runtime's and the lowered model's. other: samples of another class, and how far ONNX Runtime has it below
    the largest, in steps of the output. itself: samples of another class in ONNX Runtime without optimisations.
    """

    quantiser: str
    top1: tuple[float, float]
    other: int
    gap: float
    itself: int


@dataclass(frozen=True)
class OnBoard:
    """The lowered model on a board, by a method; its outputs were those of the reference interpreter."""

    board: str
    method: str
    nbytes: int
    instructions: int


@dataclass(frozen=True)
class Result:
    """A network. zeros: share of its weights. top1: of PyTorch's float network. agreement: with the `.tflite` model."""

    title: str
    zeros: float
    samples: int
    agreement: float
    top1: float
    floats: tuple[File, ...]
    files: tuple[File, ...]
    accuracies: tuple[Accuracy, ...]
    boards: tuple[OnBoard, ...]


def measure(targets: Sequence[str], case: Case) -> Result:
    """All numbers of a network.

    Raises VerificationError where PyTorch's network is not the model's, a rewritten file does not compute the same, or
    a board gives other bits than the reference interpreter.
    """
    # Several networks are measured at once.
    torch.set_num_threads(1)
    torch.manual_seed(0)
    samples, labels = case.load()
    images = channels_first(samples)
    used, evaluated, labels = images[:CALIBRATION_SAMPLES], images[CALIBRATION_SAMPLES:], labels[CALIBRATION_SAMPLES:]
    network, agreement = translated(case, evaluated[:_FOLLOWED])
    if case.network.prune:
        network = pruned(network, case.network.prune, used)
    with tempfile.TemporaryDirectory(prefix="wpconvert-") as name:
        folder = Path(name)
        real, quantised = folder / "float.onnx", folder / "int8.onnx"
        export(network, used, real)
        quantise(real, used, quantised)
        np.savez(folder / "samples.npz", image=used)
        onnx.save(calibrate(real, folder / "samples.npz"), folder / "calibrated.onnx")
        models = dict(zip(QUANTISERS, (quantised, folder / "calibrated.onnx"), strict=True))
        return Result(
            case.network.title,
            zeros(network),
            len(labels),
            agreement,
            _top1(predict(network, evaluated), labels),
            (_dense(real), *(rewritten(real, method, evaluated, labels) for method in FLOAT)),
            (_dense(quantised), *(rewritten(quantised, method, evaluated, labels) for method in REWRITTEN)),
            tuple(accuracy(quantiser, model, evaluated, labels) for quantiser, model in models.items()),
            tuple(on_boards(quantised, targets, evaluated[:ON_BOARDS])),
        )


def translated(case: Case, images: Images) -> tuple[TranslatedNetwork, float]:
    """The float PyTorch network, and for what share of the images it agrees with the `.tflite` model."""
    model = parse(case.model.read_bytes())
    graph = model.root.subgraphs[0]
    source = graph.tensors[graph.inputs[0]]
    if shape_of(source)[1:] != images.transpose(0, 2, 3, 1).shape[1:]:
        raise UsageError(f"{case.data}: samples {list(images.shape[1:])}, the model takes {list(shape_of(source))}")
    inputs = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
    params = quantization_of(source)
    if params is not None:
        inputs = np.clip(np.rint(inputs / params.scales[0]) + params.zero_points[0], -128, 127).astype(np.int8)
    network = TranslatedNetwork(model).eval()
    expected = LiteRtEngine().run(model, [[image[np.newaxis]] for image in inputs], lambda: None)
    classes = np.array([output.argmax() for [output] in expected])
    agreement = float(np.mean(predict(network, images).argmax(axis=1) == classes))
    if agreement < _LEAST_AGREEMENT:
        raise VerificationError(f"{case.model}: PyTorch's network agrees on {agreement:.0%} of the samples only")
    return network, agreement


def _top1(logits: Images, labels: NDArray[np.int64]) -> float:
    return float(np.mean(logits.argmax(axis=1) == labels))


def _dense(model: Path) -> File:
    return File("", model.stat().st_size)


def rewritten(model: Path, method: str, images: Images, labels: NDArray[np.int64]) -> File:
    """A rewritten file, which computes the same bits, or where it is lossy those of its own dense form."""
    with tempfile.TemporaryDirectory(prefix="wpconvert-") as name:
        target = Target.next_to(Path(name) / f"{method}.onnx")
        convert_to(OnnxSource(read_onnx(model)), Settings(method, Rules(rules=[])), target.model)
        verification = verdict(
            OnnxForms(read_onnx(model), read_onnx(target.model)), Inputs(_feeds(images[:COMPARED]), None)
        )
        if not verification.passed:
            raise VerificationError(f"{model.name} by {method}: ONNX Runtime computes something else")
        top1 = _top1(run(target.model, images), labels) if method == POOL else None
        return File(method, target.model.stat().st_size, top1)


def _feeds(images: Images) -> list[Sample]:
    return [[image[np.newaxis]] for image in images]


def accuracy(quantiser: str, model: Path, images: Images, labels: NDArray[np.int64]) -> Accuracy:
    """ONNX Runtime beside the lowered model on the host."""
    lowered = parse(lower(onnx.load(model), model.name).data)
    expected = run(model, images)
    outputs = NativeEngine().run(lowered, samples_for(lowered, _feeds(images)), lambda: None)
    found = np.concatenate([output for [output] in outputs])
    graph = lowered.root.subgraphs[0]
    params = quantization_of(graph.tensors[graph.outputs[0]])
    assert params is not None
    theirs, ours = expected.argmax(axis=1), found.argmax(axis=1)
    gaps = (expected.max(axis=1) - expected[np.arange(len(ours)), ours]) / float(params.scales[0])
    other = theirs != ours
    itself = run(model, images, optimise=False).argmax(axis=1)
    return Accuracy(
        quantiser,
        (float(np.mean(theirs == labels)), float(np.mean(ours == labels))),
        int(other.sum()),
        float(gaps[other].max(initial=0)),
        int((itself != theirs).sum()),
    )


def on_boards(model: Path, targets: Sequence[str], images: Images) -> list[OnBoard]:
    """The lowered model on boards, dense and as `-m auto` chooses for the board."""
    dense = lower(onnx.load(model), model.name).data
    samples = samples_for(parse(dense), _feeds(images))
    expected = ReferenceEngine().run(parse(dense), samples, lambda: None)
    found = []
    for target in targets:
        board = boards()[target]
        goal = Goal(board.name, board.core, BALANCED)
        versions = {"": dense, AUTO: convert_bytes(dense, Settings(AUTO, Rules(rules=[]), goal=goal)).data}
        for method, data in versions.items():
            check_board(target, data, samples, expected)
            counted = benchmark(model.name, data, parse(data), board, samples[0])
            found.append(OnBoard(target, method, len(data), counted.instructions))
    return found


def check_board(target: str, data: bytes, samples: Sequence[Sample], expected: Sequence[Sample]) -> None:
    """Raises VerificationError unless a board gives these outputs."""
    outputs = _engine(target).run(parse(data), samples, lambda: None)
    for [theirs], [ours] in zip(expected, outputs, strict=True):
        if not np.array_equal(theirs, ours):
            raise VerificationError(f"{target}: not the outputs of the reference interpreter")


@cache
def _engine(target: str) -> TargetEngine:
    return TargetEngine(boards()[target])
