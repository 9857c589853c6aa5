"""A trained PyTorch network as a float32 `.onnx` file."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable

import torch
from torch import nn

from ..data.module import DataModule
from ..methods import open_all
from ..trained import Trained
from .tflite import INPUT_NAME, OUTPUT_NAME

OPSET = 20


def export(trained: Trained, data: Callable[[], DataModule]) -> bytes:
    """The float model. Raises ValueError for a network with methods whose integers it cannot keep."""
    del data
    for name, method in open_all(trained.methods).items():
        if method.finish(copy.deepcopy(trained.network).cpu().eval()):
            raise ValueError(f"a network that was trained with {name} needs --out OUT.tflite, which keeps its integers")
    return to_float_onnx(trained.network, trained.image_shape)


def to_float_onnx(network: nn.Module, image_shape: tuple[int, int, int]) -> bytes:
    """The network for images [batch, channels, height, width], batch normalisation folded, the batch size open.

    `image_shape` is (height, width, channels).
    """
    height, width, channels = image_shape
    # An example of one image would fix the batch size.
    example = torch.zeros(2, channels, height, width)
    # The exporter tells of packages that it could serve, too, and PyTorch warns of parts of itself.
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network.cpu().eval(),
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT_NAME],
            output_names=[OUTPUT_NAME],
            dynamic_shapes=({0: "batch"},),
            verbose=False,
        )
    model = program.model_proto
    for node in model.graph.node:
        # Paths of source files on this machine.
        del node.metadata_props[:]
    content: bytes = model.SerializeToString(deterministic=True)
    return content
