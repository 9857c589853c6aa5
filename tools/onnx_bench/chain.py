"""The steps before wpconvert's: prune, export with PyTorch, quantise with ONNX Runtime, run with ONNX Runtime."""

from __future__ import annotations

import copy
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn
from torch.nn.utils import prune

from wpconvert.lowering.calibrate import SampleReader

INPUT, OUTPUT = "image", "logits"
LEGACY_OPSET = 17

_PRUNING_ROUNDS, _STEPS, _LAST_STEPS, _BATCH, _RATE, _SHIFT = 5, 60, 180, 64, 3e-4, 2

Images = NDArray[np.float32]


def channels_first(images: Images) -> Images:
    """[n, height, width, channels] as PyTorch has them."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def pruned(network: nn.Module, share: float, images: Images) -> nn.Module:
    """The network without so many of each layer's weights, the smallest; depthwise filters are kept whole.

    Pruned in rounds; after each the weights that are left learn to give the dense network's logits of the images
    [n, channels, height, width] and shifted ones.
    """
    found = copy.deepcopy(network)
    layers = [m for m in found.modules() if isinstance(m, nn.Conv2d | nn.Linear) and m.weight.shape[1] > 1]
    every = torch.from_numpy(images)
    generator = torch.Generator().manual_seed(0)
    for number in range(1, _PRUNING_ROUNDS + 1):
        amount = share * (1 - (1 - number / _PRUNING_ROUNDS) ** 3)
        for layer in layers:
            if prune.is_pruned(layer):
                prune.remove(layer, "weight")
            prune.l1_unstructured(layer, "weight", amount=amount)
        optimiser = torch.optim.Adam(found.parameters(), lr=_RATE)
        for _ in range(_LAST_STEPS if number == _PRUNING_ROUNDS else _STEPS):
            batch = every[torch.randint(len(every), (_BATCH,), generator=generator)]
            shifts = torch.randint(-_SHIFT, _SHIFT + 1, (2,), generator=generator).tolist()
            batch = torch.roll(batch, shifts, (2, 3))
            with torch.no_grad():
                wanted = network(batch)
            loss = nn.functional.mse_loss(found(batch), wanted)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    for layer in layers:
        prune.remove(layer, "weight")
    return found.eval()


def zeros(network: nn.Module) -> float:
    """The share of zeros among the weights of convolutions and linear layers."""
    weights = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    return sum(int((w == 0).sum()) for w in weights) / sum(int(w.numel()) for w in weights)


def predict(network: nn.Module, images: Images) -> Images:
    """PyTorch's logits [n, classes] for images [n, channels, height, width]."""
    with torch.no_grad():
        parts = [network(part) for part in torch.from_numpy(images).split(64)]
    logits: Images = torch.cat(parts).numpy()
    return logits


def export(network: nn.Module, images: Images, path: Path, dynamo: bool = True) -> None:
    """Write an `.onnx` file with an open batch size, by PyTorch's current exporter or the one before it."""
    names: dict[str, Any] = {"input_names": [INPUT], "output_names": [OUTPUT]}
    if dynamo:
        # It tells of packages that it could serve, too.
        logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)
        names |= {"dynamic_shapes": ({0: "batch"},), "external_data": False, "verbose": False}
    else:
        names |= {"dynamic_axes": {INPUT: {0: "batch"}, OUTPUT: {0: "batch"}}, "opset_version": LEGACY_OPSET}
    with warnings.catch_warnings():
        # PyTorch warns of its older exporter, and of parts of itself.
        warnings.simplefilter("ignore")
        # An example of one sample would fix the batch size.
        torch.onnx.export(network, (torch.from_numpy(images[:2]),), str(path), dynamo=dynamo, **names)
    model = onnx.load(path)
    for node in model.graph.node:
        # Notes as long as the paths of the sources on this machine.
        del node.metadata_props[:]
    onnx.save(model, path)


def quantise(model: Path, images: Images, out: Path) -> None:
    """ONNX Runtime's static quantisation as its guide shows it: QDQ form, int8, weights per output channel."""
    prepared = out.with_suffix(".prepared.onnx")
    quant_pre_process(model, prepared, skip_symbolic_shape=True)
    quantization.quantize_static(
        prepared,
        out,
        SampleReader({INPUT: images}),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        activation_type=quantization.QuantType.QInt8,
        weight_type=quantization.QuantType.QInt8,
    )


def run(model: Path, images: Images, optimise: bool = True) -> Images:
    """ONNX Runtime's logits [n, classes], one image at a time; `optimise`: with fused int8 operators, its default."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run([OUTPUT], {INPUT: image[np.newaxis]})[0] for image in images])
