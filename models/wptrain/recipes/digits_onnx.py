"""Export the pruned digits DS-CNN to ONNX and quantise it: the model, its card and the test split in its layout.

The network is the pruned one of the recipe `digits`.
"""

from __future__ import annotations

import io
import logging
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from wpconvert.lowering import calibrate, lower

from ..data.module import DataModule, SplitName, whole
from ..data.sets import digits as data
from ..exporters.litert import ModelFacts, describe
from ..exporters.tflite import INPUT_NAME, OUTPUT_NAME
from ..report.card import Card, Score, render
from . import digits, zoo

ONNX_FILE = "digits_onnx.onnx"
TEST_FILE = "digits_onnx_test.npz"
OPSET = 17

_QUANTISATION = (
    "Exported with torch.onnx.export and quantised by `wpconvert.lowering.calibrate`, that is, by ONNX Runtime's "
    "static quantisation in QDQ form: weights int8, symmetric, per output channel; activations int8, ranges from the "
    "training split; batch normalisation folded. That means have a scale of their own was decided after a look at the "
    "test split. Inputs and outputs of the `.onnx` file are float32; those of the "
    "lowered `.tflite` are int8. Operators, endpoints and layers above are those of the lowered file."
)
_MEASURED = (
    "int8 is measured on the `.onnx` file with ONNX Runtime's CPU kernels, float with PyTorch before quantisation."
)
_LAYOUT = "Takes images [batch, 1, 8, 8]; the lowered `.tflite` takes [1, 8, 8, 1]."

# Not __name__, which is "__main__" when the recipe is run as a command.
_log = logging.getLogger("wptrain.recipes.digits_onnx")


def build(settings: digits.Settings) -> dict[str, bytes]:
    """Every file that the recipe writes, by name."""
    dataset = data.load()
    _, sparse = digits.train(dataset, settings)
    model = to_int8_onnx(sparse, channels_first(dataset, "train"))
    content = model.SerializeToString(deterministic=True)
    images, labels = channels_first(dataset, "test"), dataset.labels("test")
    correct = int(np.count_nonzero(predict(content, images).argmax(axis=1) == labels))
    scores = {
        "float, sparse": zoo.float_score(sparse, dataset),
        "int8, sparse": Score(correct, len(labels)),
    }
    for label, score in scores.items():
        _log.info("test accuracy %s: %s", label, score)
    archive = io.BytesIO()
    arrays: dict[str, Any] = {INPUT_NAME: images, "labels": labels.astype(np.uint8)}
    np.savez_compressed(archive, **arrays)
    card = Card(
        file_name=ONNX_FILE,
        summary="An int8 ONNX classifier of handwritten digits, pruned: most weights are zero.",
        content=content,
        facts=facts_of(model),
        test_file=TEST_FILE,
        command=zoo.command("digits_onnx", settings),
        seed=settings.seed,
        dataset=dataset,
        architecture=digits.NETWORK,
        method=(digits.describe_dense(settings), digits.describe_pruned(settings), _QUANTISATION),
        scores=scores,
        own_score="int8, sparse",
        limits=(*digits.LIMITS, _LAYOUT),
        measured=_MEASURED,
        test_data="float32 images [batch, 1, 8, 8]",
        packages=("torch", "onnx", "onnxruntime", "numpy", "scikit-learn"),
    )
    return {ONNX_FILE: content, f"{Path(ONNX_FILE).stem}.md": render(card).encode(), TEST_FILE: archive.getvalue()}


def facts_of(model: onnx.ModelProto) -> ModelFacts:
    """Those of the lowered model, of whose layers the ones that the ONNX model has weights for."""
    facts = describe(lower(model, ONNX_FILE).data)
    own = {tensor.name for tensor in model.graph.initializer}
    return replace(facts, layers=tuple(layer for layer in facts.layers if layer.name in own))


def channels_first(data: DataModule, split: SplitName) -> NDArray[np.float32]:
    """The images of a split as float32 [n, channels, height, width] in [0, 1]."""
    return np.ascontiguousarray(whole(data, split).samples.transpose(0, 3, 1, 2))


def to_int8_onnx(network: nn.Module, images: NDArray[np.float32]) -> onnx.ModelProto:
    """The network with its batch size open, quantised with images [n, channels, height, width]."""
    with tempfile.TemporaryDirectory(prefix="wptrain-") as folder, warnings.catch_warnings():
        # The exporter that needs no other package is the one that PyTorch calls deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        path, samples = Path(folder) / "float.onnx", Path(folder) / "samples.npz"
        torch.onnx.export(
            network.eval(),
            (torch.from_numpy(images[:1]),),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT_NAME],
            output_names=[OUTPUT_NAME],
            dynamic_axes={INPUT_NAME: {0: "batch"}, OUTPUT_NAME: {0: "batch"}},
        )
        arrays: dict[str, Any] = {INPUT_NAME: images}
        np.savez(samples, **arrays)
        return calibrate(path, samples)


def predict(content: bytes, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """The logits [n, classes] of ONNX Runtime's CPU kernels."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    logits: NDArray[np.float32] = session.run([OUTPUT_NAME], {INPUT_NAME: images})[0]
    return logits


def main(arguments: Sequence[str] | None = None) -> None:
    out, settings = digits.parse(arguments, recipe="digits_onnx", description=__doc__)
    zoo.show_progress()
    zoo.write(out, build(settings))


if __name__ == "__main__":
    main()
