"""An int8 `.tflite` whose pooled weights are exactly pool vectors.

Quantising the real weights would round every channel on a grid of its own. Here the pool's integers are the weights,
and what the channel multiplies them by, its least-squares scale times the gain of its batch normalisation, is the
scale of the weight tensor.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray
from torch import nn

from ..methods.pool.weights import latent_weight, pooled_layers, pooled_weight
from ..networks.layers import ConvBnRelu
from .litert import WEIGHT_OPERATORS, operator_name
from .tflite import serialise, to_int8_tflite


@dataclass(frozen=True)
class _Folded:
    """A pooled convolution with its batch normalisation folded in.

    `weights` int8 [out, kh, kw, in], real weight = scale of the channel, float64 [out], times it; `bias` float64 [out].
    """

    weights: NDArray[np.int8]
    scales: NDArray[np.float64]
    bias: NDArray[np.float64]


def to_pooled_tflite(network: nn.Module, calibration: NDArray[np.float32]) -> bytes:
    """Quantise after training and convert as `export.to_int8_tflite` does, with exact pool vectors as weights.

    Raises ValueError when a pooled convolution is not followed by its batch normalisation, or a gain is not positive.
    """
    plain = copy.deepcopy(network).cpu().eval()
    folded = _fold(plain)
    for name, layer in pooled_layers(plain).items():
        parent, _, attribute = name.rpartition(".")
        setattr(plain.get_submodule(parent), attribute, _plain(layer))
    return _with_weights(to_int8_tflite(plain, calibration), folded)


def _plain(layer: nn.Conv2d) -> nn.Conv2d:
    # Removing the parametrisation would take the weight from the layer this one is a copy of: they share a class.
    plain = nn.Conv2d(layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding, bias=False)
    plain.weight.data = layer.weight.detach()
    return plain.eval()


def _fold(network: nn.Module) -> dict[str, _Folded]:
    blocks = {
        f"{name}.conv".lstrip("."): block for name, block in network.named_modules() if isinstance(block, ConvBnRelu)
    }
    return {name.replace(".", "/"): _fold_one(name, blocks.get(name)) for name in pooled_layers(network)}


def _fold_one(name: str, block: ConvBnRelu | None) -> _Folded:
    if block is None:
        raise ValueError(f"{name}: a pooled convolution must be part of a ConvBnRelu")
    gain = _numbers(block.bn.weight) / np.sqrt(_numbers(block.bn.running_var) + block.bn.eps)
    if not (gain > 0).all():
        raise ValueError(f"{name}: {int((gain <= 0).sum())} gains of its batch normalisation are not positive")
    latent = latent_weight(block.conv)
    pooled = pooled_weight(block.conv)
    integers = pooled.integers(latent).detach()
    return _Folded(
        np.ascontiguousarray(integers.permute(0, 2, 3, 1).numpy().astype(np.int8)),
        _numbers(pooled.scales(latent, integers)) * gain,
        _numbers(block.bn.bias) - _numbers(block.bn.running_mean) * gain,
    )


def _numbers(tensor: Any) -> NDArray[np.float64]:
    return np.asarray(tensor.detach().numpy(), np.float64)


def _with_weights(data: bytes, folded: dict[str, _Folded]) -> bytes:
    """The model with the weights, weight scales and biases of the convolutions that are named in `folded`."""
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    graph = model.subgraphs[0]
    missing = set(folded)
    for operator in graph.operators:
        if operator_name(model, operator) not in WEIGHT_OPERATORS:
            continue
        source, weight, bias = (graph.tensors[index] for index in operator.inputs[:3])
        layer = weight.name.decode().removesuffix("/weight")
        if layer not in missing:
            continue
        missing.remove(layer)
        new = folded[layer]
        if tuple(weight.shape) != new.weights.shape:
            raise ValueError(
                f"{layer}: converted weights have shape {tuple(weight.shape)}, expected {new.weights.shape}"
            )
        scales = new.scales.astype(np.float32)
        bias_scales = np.float32(source.quantization.scale[0]) * scales
        steps = np.rint(new.bias / bias_scales.astype(np.float64))
        limits = np.iinfo(np.int32)
        _fill(model, weight, new.weights, scales)
        _fill(model, bias, np.clip(steps, limits.min, limits.max).astype("<i4"), bias_scales)
    if missing:
        raise ValueError(f"{', '.join(sorted(missing))}: pooled, but not found among the converted operators")
    kept = {tensor.buffer for tensor in graph.tensors} | {entry.buffer for entry in model.metadata or []}
    for index, buffer in enumerate(model.buffers):
        if index not in kept:
            buffer.data = None
    return serialise(model)


def _fill(model: Any, tensor: Any, values: NDArray[Any], scales: NDArray[np.float32]) -> None:
    # Equal tensors may share a buffer, so each gets one of its own.
    model.buffers.append(schema.BufferT(data=np.frombuffer(values.tobytes(), np.uint8)))
    tensor.buffer = len(model.buffers) - 1
    tensor.quantization.scale = scales
    tensor.quantization.zeroPoint = np.zeros(len(scales), np.int64)
    tensor.quantization.quantizedDimension = 0
