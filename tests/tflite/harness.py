"""What the tests of rewriting share: sparse weights, rewriting whatever the size, running both forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.models import ModelBuilder
from tests.support.oracles import LiteRtOracle
from wpconvert.codecs import STANDALONE
from wpconvert.errors import ModelError
from wpconvert.formats.tflite.file import parse, serialise
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.formats.tflite.model import TfliteModel, text
from wpconvert.formats.tflite.restore import restore
from wpconvert.formats.tflite.rewrite import rewrite
from wpconvert.formats.tflite.schema import options
from wpconvert.formats.tflite.weights import find_weights
from wpconvert.graph.custom.operators import BUILTIN_NAMES
from wpconvert.job.convert import Converted, convert_bytes
from wpconvert.model.plan import Outcome, encoded
from wpconvert.model.rules import Rules
from wpconvert.model.settings import Settings
from wpconvert.model.weight import Rewritable, Weight, obstacle_of
from wpconvert.reference.interpreter import Interpreter

METHODS = STANDALONE


def sparse(seed: int, shape: Sequence[int], zeros: float = 0.9) -> NDArray[np.int8]:
    """Random int8 weights, about that share of them 0."""
    generator = np.random.default_rng(seed)
    values = generator.integers(-127, 128, tuple(shape), dtype=np.int8)
    return np.where(generator.random(tuple(shape)) < zeros, 0, values).astype(np.int8)


def scales(seed: int, count: int) -> NDArray[np.float32]:
    """Positive float32 scales of one order of magnitude."""
    return np.random.default_rng(seed).uniform(0.004, 0.04, count).astype(np.float32)


def canonical(data: bytes) -> bytes:
    """The file as we would write it with nothing changed; an empty list of metadata counts as none."""
    model = parse(data)
    model.root.metadata = model.root.metadata or None
    return serialise(model)


def converted(data: bytes, method: str = "dcsr", *, strip: bool = False, **settings: Any) -> Converted:
    """The main job on a file."""
    rules = settings.pop("rules", [])
    return convert_bytes(data, Settings(method, Rules(rules=rules), strip=strip, **settings))


def forced(data: bytes, method: str = "dcsr", *, strip: bool = False) -> bytes:
    """The file with every weight that the method can hold rewritten, also where that makes it larger."""
    model = parse(data)
    rewrite(model, [_forced(weight, method) for weight in find_weights(model)], strip)
    return serialise(model)


def _forced(weight: Weight, method: str) -> Outcome:
    if not isinstance(weight, Rewritable):
        return Outcome(weight, "none", reason=obstacle_of(weight))
    try:
        return Outcome(weight, method, encoded(weight, method))
    except ModelError as error:
        return Outcome(weight, "none", reason=str(error))


def methods_for(data: bytes) -> list[str]:
    """Those of METHODS that can hold every weight of the file."""
    weights = [weight for weight in find_weights(parse(data)) if isinstance(weight, Rewritable)]
    return [method for method in METHODS if all(_forced(weight, method).method == method for weight in weights)]


def restored(data: bytes) -> bytes:
    """The dense file that `restore` gives back."""
    model = parse(data)
    restore(model)
    return serialise(model)


def losses(data: bytes) -> list[str]:
    """What `restore` cannot give back."""
    return restore(parse(data))


def names(data: bytes) -> list[str]:
    """Operator names of all subgraphs, in order."""
    model = parse(data)
    return [model.operator_name(operator) for graph in model.root.subgraphs for operator in graph.operators]


def rewritten_count(data: bytes) -> int:
    """Number of our operators in a file."""
    return sum(name in BUILTIN_NAMES for name in names(data))


def inputs_for(data: bytes, seed: int = 0) -> list[NDArray[Any]]:
    """Random int8 inputs."""
    graph = parse(data).root.subgraphs[0]
    generator = np.random.default_rng(seed)
    return [generator.integers(-128, 128, tuple(graph.tensors[i].shape), dtype=np.int8) for i in graph.inputs]


def reference(data: bytes, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Outputs of the reference interpreter."""
    return Interpreter(read_graph(parse(data))).run(inputs)


def litert(data: bytes, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Outputs of LiteRT's reference kernels."""
    values = LiteRtOracle(data).run_all(inputs)
    return [values[int(index)] for index in parse(data).root.subgraphs[0].outputs]


def assert_same_outputs(first: Sequence[NDArray[Any]], second: Sequence[NDArray[Any]]) -> None:
    """Equal number, types, shapes and bits."""
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert one.tobytes() == other.tobytes()


def obstacles(data: bytes) -> dict[str, str | None]:
    """Why each weight cannot be rewritten, by name; None when it can."""
    return {weight.name: obstacle_of(weight) for weight in find_weights(parse(data))}


def tensor_named(model: TfliteModel, name: str, subgraph: int = 0) -> Any:
    """The tensor of that name."""
    return next(t for t in model.root.subgraphs[subgraph].tensors if text(t.name) == name)


def conv_builder(channels: int = 32, depth: int = 16, zeros: float = 0.95) -> tuple[ModelBuilder, int]:
    """A builder with one 3 × 3 convolution whose sparse weights are worth rewriting, and the convolution's output."""
    b = ModelBuilder()
    x = b.input((1, 4, 4, depth), 0.5, -3)
    weights = sparse(1, (channels, 3, 3, depth), zeros)
    y = b.conv2d(x, weights, np.arange(channels), scale=0.4, zero_point=5, weight_scales=scales(2, channels))
    return b, y


def branches_builder(zeros: float = 0.95) -> ModelBuilder:
    """An IF with a convolution in each branch."""
    b = ModelBuilder()
    graphs = []
    for branch in range(2):
        with b.subgraph(f"branch{branch}") as number:
            x = b.input((1, 4, 4, 16), 0.5)
            b.output(b.conv2d(x, sparse(branch, (32, 3, 3, 16), zeros), name=f"conv{branch}", weight_scales=0.01))
        graphs.append(number)
    condition = b.tensor((1,), "bool", name="condition")
    b.graph.inputs.append(condition)
    x = b.input((1, 4, 4, 16), 0.5)
    ways = options("IfOptions", thenSubgraphIndex=graphs[0], elseSubgraphIndex=graphs[1])
    b.output(b.op("IF", [condition, x], [b.tensor((1, 4, 4, 32), "int8", 1.0)], ways))
    return b


def conv_model() -> bytes:
    """The model of `conv_builder`."""
    b, y = conv_builder()
    b.output(y)
    return b.to_bytes()
