"""Facts about a finished `.tflite` file: what is in it, and what LiteRT's reference kernels make of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

_OPERATOR_NAMES: dict[int, str] = {
    value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)
}
_TYPE_NAMES: dict[int, str] = {value: name for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
WEIGHT_OPERATORS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


@dataclass(frozen=True)
class Endpoint:
    """The input or the output of a model; real = scale * (q - zero_point)."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float
    zero_point: int


@dataclass(frozen=True)
class Layer:
    """The weight tensor of one operator; `shape` as stored in the file."""

    name: str
    operator: str
    shape: tuple[int, ...]
    weights: int
    zeros: int
    biases: int


@dataclass(frozen=True)
class ModelFacts:
    """What a card says about a file."""

    input: Endpoint
    output: Endpoint
    operators: dict[str, int]
    layers: tuple[Layer, ...]

    @property
    def weights(self) -> int:
        return sum(layer.weights for layer in self.layers)

    @property
    def biases(self) -> int:
        return sum(layer.biases for layer in self.layers)

    @property
    def zeros(self) -> int:
        return sum(layer.zeros for layer in self.layers)


def operator_name(model: Any, operator: Any) -> str:
    """`CONV_2D` and so on; older files fill only the deprecated field, hence the maximum."""
    code = model.operatorCodes[operator.opcodeIndex]
    return _OPERATOR_NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]


def describe(data: bytes) -> ModelFacts:
    """The facts of a model with one subgraph, one input, one output, int8 weights and a bias in every layer.

    Raises ValueError when a weight tensor is not int8, or its zero point not 0: a pruned weight would then
    not be stored as 0.
    """
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    graph = model.subgraphs[0]
    operators: Counter[str] = Counter()
    layers: list[Layer] = []
    for operator in graph.operators:
        name = operator_name(model, operator)
        operators[name] += 1
        if name in WEIGHT_OPERATORS:
            weight, bias = (graph.tensors[index] for index in operator.inputs[1:3])
            layers.append(_layer(model, name, weight, bias))
    return ModelFacts(
        input=_endpoint(graph.tensors[graph.inputs[0]]),
        output=_endpoint(graph.tensors[graph.outputs[0]]),
        operators=dict(sorted(operators.items())),
        layers=tuple(layers),
    )


def _layer(model: Any, operator: str, tensor: Any, bias: Any) -> Layer:
    name = tensor.name.decode()
    if tensor.type != schema.TensorType.INT8:
        raise ValueError(f"{name}: weights are {_TYPE_NAMES[tensor.type]}, expected INT8")
    if np.any(tensor.quantization.zeroPoint):
        raise ValueError(f"{name}: weights have a zero point other than 0, expected symmetric quantisation")
    values = np.asarray(model.buffers[tensor.buffer].data, dtype=np.uint8).view(np.int8)
    shape = tuple(int(extent) for extent in tensor.shape)
    return Layer(name, operator, shape, values.size, int(np.count_nonzero(values == 0)), int(bias.shape[0]))


def _endpoint(tensor: Any) -> Endpoint:
    return Endpoint(
        name=tensor.name.decode(),
        dtype=_TYPE_NAMES[tensor.type],
        shape=tuple(int(extent) for extent in tensor.shape),
        scale=float(tensor.quantization.scale[0]),
        zero_point=int(tensor.quantization.zeroPoint[0]),
    )


def quantise(images: NDArray[np.float32], endpoint: Endpoint) -> NDArray[np.int8]:
    """Real values as the int8 that `endpoint` expects."""
    steps = np.rint(images.astype(np.float64) / endpoint.scale) + endpoint.zero_point
    quantised: NDArray[np.int8] = np.clip(steps, -128, 127).astype(np.int8)
    return quantised


def predict(data: bytes, images: NDArray[np.int8]) -> NDArray[np.int8]:
    """The logits [n, classes] of LiteRT's reference kernels for images [n, height, width, channels].

    The reference kernels, because XNNPACK rounds differently and other machines would measure other numbers.
    """
    interpreter = Interpreter(model_content=data, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    sink = interpreter.get_output_details()[0]["index"]
    logits: list[NDArray[np.int8]] = []
    for image in images:
        interpreter.set_tensor(source, image[np.newaxis])
        interpreter.invoke()
        logits.append(interpreter.get_tensor(sink)[0])
    return np.stack(logits)


def correct(data: bytes, images: NDArray[np.int8], labels: NDArray[np.int64]) -> int:
    """How many images the model classifies correctly; of equal logits the lowest class counts."""
    return int(np.count_nonzero(predict(data, images).argmax(axis=1) == labels))
