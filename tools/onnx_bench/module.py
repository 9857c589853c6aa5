"""The float PyTorch network of a trained `.tflite` CNN: the same layers with the same weights, dequantised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wpconvert.errors import UnsupportedError
from wpconvert.formats.tflite.graph_fields import attributes_of
from wpconvert.formats.tflite.model import TfliteModel, quantization_of, shape_of
from wpconvert.formats.tflite.schema import ACTIVATION_NAMES
from wpconvert.reference.window import window_geometry

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"NONE": nn.Identity, "RELU": nn.ReLU, "RELU6": nn.ReLU6}


class Scale(nn.Module):  # type: ignore[misc]
    """Multiplies with constants, [channels, 1, 1] for images."""

    def __init__(self, factor: Tensor) -> None:
        super().__init__()
        self.register_buffer("factor", factor)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


class Shift(nn.Module):  # type: ignore[misc]
    """Adds constants, [channels, 1, 1] for images."""

    def __init__(self, offset: Tensor) -> None:
        super().__init__()
        self.register_buffer("offset", offset)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.offset


class Sum(nn.Module):  # type: ignore[misc]
    """Adds two tensors."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


class Flatten(nn.Module):  # type: ignore[misc]
    """Images [n, channels, height, width] as vectors in TFLite's order, channels last."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.flatten(x.permute(0, 2, 3, 1), 1)


class Mean(nn.Module):  # type: ignore[misc]
    """The mean of each channel, [n, channels]."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


class TranslatedNetwork(nn.Module):  # type: ignore[misc]
    """A `.tflite` CNN with one input and one output in PyTorch's layout.

    Takes float32 [n, channels, height, width], gives logits, [n, classes]: a SOFTMAX is left out, as PyTorch networks
    do without. Quantisation of activations has no counterpart; a weight that was zero is zero. Raises
    UnsupportedError for other operators.
    """

    def __init__(self, model: TfliteModel) -> None:
        super().__init__()
        graph = model.root.subgraphs[0]
        [self.source], [self.sink] = (map(int, graph.inputs), map(int, graph.outputs))
        self.steps = nn.ModuleList()
        self.wires: list[tuple[tuple[int, ...], int]] = []
        for operator in graph.operators:
            name = model.operator_name(operator)
            if name not in _LAYERS:
                raise UnsupportedError(f"operator {name}: expected one of {', '.join(_LAYERS)}")
            # -1 is an absent bias.
            inputs = [int(index) for index in operator.inputs if index >= 0]
            tensors = [graph.tensors[index] for index in inputs]
            computed = tuple(index for index in inputs if model.buffer(graph.tensors[index]) is None)
            constants = [real(model, tensor) for tensor in tensors if model.buffer(tensor) is not None]
            layer = _LAYERS[name](shape_of(tensors[0]), constants, attributes_of(operator.builtinOptions))
            fused = ACTIVATION_NAMES[getattr(operator.builtinOptions, "fusedActivationFunction", 0)]
            if fused not in _ACTIVATIONS:
                raise UnsupportedError(f"{name} with {fused}: expected one of {', '.join(_ACTIVATIONS)}")
            output = int(operator.outputs[0])
            self.steps.extend((layer, _ACTIVATIONS[fused]()))
            self.wires += [(computed, output), ((output,), output)]

    def forward(self, image: Tensor) -> Tensor:
        values = {self.source: image}
        for step, (inputs, output) in zip(self.steps, self.wires, strict=True):
            values[output] = step(*(values[index] for index in inputs))
        return values[self.sink]


def real(model: TfliteModel, tensor: Any) -> NDArray[Any]:
    """A constant, int8 and int32 ones with a scale as float32."""
    values = model.constant(tensor)
    assert values is not None
    params = quantization_of(tensor)
    if params is None or values.dtype.kind == "f":
        return values
    shape = [-1 if axis == params.axis and len(params.scales) > 1 else 1 for axis in range(values.ndim)]
    steps = values.astype(np.int64) - params.zero_points.reshape(shape)
    found: NDArray[np.float32] = (steps * params.scales.astype(np.float64).reshape(shape)).astype(np.float32)
    return found


_Shape = tuple[int, ...]
_Constants = list[NDArray[Any]]


def _convolution(shape: _Shape, constants: _Constants, options: Any, depthwise: bool) -> nn.Module:
    weights = constants[0].transpose(3, 0, 1, 2) if depthwise else constants[0].transpose(0, 3, 1, 2)
    window, strides, dilation = weights.shape[2:], options.stride, options.dilation
    pads = window_geometry((shape[1], shape[2]), window, strides, options.padding, dilation)[1]
    groups = shape[3] if depthwise else 1
    even = pads.top == pads.bottom and pads.left == pads.right
    conv = nn.Conv2d(
        shape[3],
        len(weights),
        window,
        strides,
        (pads.top, pads.left) if even else 0,
        dilation,
        groups,
        bias=len(constants) > 1,
    )
    _fill(conv, weights, constants[1:])
    return conv if even else nn.Sequential(nn.ZeroPad2d((pads.left, pads.right, pads.top, pads.bottom)), conv)


def _fill(layer: nn.Module, weights: NDArray[Any], bias: _Constants) -> None:
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weights.copy()))
        for values in bias:
            layer.bias.copy_(torch.from_numpy(values.copy()))


def _conv(shape: _Shape, constants: _Constants, options: Any) -> nn.Module:
    return _convolution(shape, constants, options, depthwise=False)


def _depthwise(shape: _Shape, constants: _Constants, options: Any) -> nn.Module:
    return _convolution(shape, constants, options, depthwise=True)


def _linear(shape: _Shape, constants: _Constants, _: Any) -> nn.Module:
    layer = nn.Linear(constants[0].shape[1], constants[0].shape[0], bias=len(constants) > 1)
    _fill(layer, constants[0], constants[1:])
    return nn.Sequential(Flatten(), layer) if len(shape) == 4 else layer


def _by_channel(shape: _Shape, values: NDArray[Any]) -> Tensor:
    """A constant that goes with the last axis of images, or of vectors."""
    return torch.from_numpy(values.reshape(-1, 1, 1) if len(shape) == 4 else values.copy())


def _add(shape: _Shape, constants: _Constants, _: Any) -> nn.Module:
    return Shift(_by_channel(shape, constants[0])) if constants else Sum()


def _mul(shape: _Shape, constants: _Constants, _: Any) -> nn.Module:
    if not constants:
        raise UnsupportedError("MUL of two computed tensors, expected a constant")
    return Scale(_by_channel(shape, constants[0]))


def _average_pool(shape: _Shape, _: _Constants, options: Any) -> nn.Module:
    window, strides = options.window, options.stride
    pads = window_geometry((shape[1], shape[2]), window, strides, options.padding)[1]
    if pads.top != pads.bottom or pads.left != pads.right:
        raise UnsupportedError("AVERAGE_POOL_2D with odd padding, which PyTorch's does not have")
    return nn.AvgPool2d(window, strides, (pads.top, pads.left), count_include_pad=False)


def _mean(shape: _Shape, constants: _Constants, options: Any) -> nn.Module:
    _check_image_axes("MEAN", shape, constants, options)
    return Mean()


def _maximum(shape: _Shape, constants: _Constants, options: Any) -> nn.Module:
    _check_image_axes("REDUCE_MAX", shape, constants, options)
    return nn.Sequential(nn.MaxPool2d(shape[1:3]), nn.Flatten())


def _check_image_axes(name: str, shape: _Shape, constants: _Constants, options: Any) -> None:
    if len(shape) != 4 or sorted(constants[0].reshape(-1).tolist()) != [1, 2] or options.keep_dims:
        raise UnsupportedError(f"{name}: expected that of each channel of an image, without its axes")


def _pad(_: _Shape, constants: _Constants, __: Any) -> nn.Module:
    pads = constants[0].astype(int).tolist()
    if len(pads) != 4 or pads[0] != [0, 0] or pads[3] != [0, 0]:
        raise UnsupportedError(f"PAD by {pads}: expected height and width of an image")
    return nn.ZeroPad2d((*pads[2], *pads[1]))


def _reshape(shape: _Shape, _: _Constants, __: Any) -> nn.Module:
    return Flatten() if len(shape) == 4 else nn.Flatten()


def _identity(_: _Shape, __: _Constants, ___: Any) -> nn.Module:
    return nn.Identity()


_LAYERS: dict[str, Callable[[_Shape, _Constants, Any], nn.Module]] = {
    "ADD": _add,
    "AVERAGE_POOL_2D": _average_pool,
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "DEQUANTIZE": _identity,
    "FULLY_CONNECTED": _linear,
    "MEAN": _mean,
    "MUL": _mul,
    "PAD": _pad,
    "QUANTIZE": _identity,
    "REDUCE_MAX": _maximum,
    "RESHAPE": _reshape,
    "SOFTMAX": _identity,
}
