"""Which trained models are measured, on which data, and what they take as input."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wpconvert.errors import UsageError

LABELS = "labels"
CALIBRATION_SAMPLES = 200
"""The first so many samples give ranges and are not evaluated."""

Images = NDArray[np.float32]

_KWS_SCALE, _KWS_ZERO_POINT = 0.5847029, 83
_MEL_BANDS = 40


def _pixels(images: NDArray[Any]) -> Images:
    """0 to 255."""
    return images.astype(np.float32)


def _upscaled(images: NDArray[Any]) -> Images:
    """0 to 1, bilinear to 96 x 96."""
    small = torch.from_numpy(images.astype(np.float32) / 255).permute(0, 3, 1, 2)
    large = torch.nn.functional.interpolate(small, size=(96, 96), mode="bilinear", align_corners=False)
    found: Images = large.permute(0, 2, 3, 1).numpy()
    return found


def _mfcc(features: NDArray[Any]) -> Images:
    """The reals that the int8 values stand for."""
    return (features.astype(np.float32) - _KWS_ZERO_POINT) * np.float32(_KWS_SCALE)


def _mfcc_of_16_bits(features: NDArray[Any]) -> Images:
    """Cepstra of natural logarithms and of samples from -32768 to 32767, made of those of base 10 and -1 to 1.

    A factor on the power of all bands is a term of the first coefficient, sqrt(2 · bands) times its logarithm.
    """
    cepstra = _mfcc(features)
    cepstra[:, :, 0] += 2 * math.sqrt(2 * _MEL_BANDS) * math.log10(32768)
    return cepstra * np.float32(math.log(10))


@dataclass(frozen=True)
class Network:
    """A trained model. name: `folder/stem` of its file. data: the file with its samples, float after `prepare`.

    prune: the share of weights that is pruned before export, where the model does not come pruned.
    """

    name: str
    data: str
    prepare: Callable[[NDArray[Any]], Images]
    prune: float = 0.0

    @property
    def title(self) -> str:
        return f"{self.name}, pruned" if self.prune else self.name


_CIFAR, _KWS = "cifar10_test846.npz", "kws01_test1000.npz"
NETWORKS = (
    Network("mlperf_tiny/resnet8_float", _CIFAR, _pixels),
    Network("mlperf_tiny/resnet8_float", _CIFAR, _pixels, prune=0.5),
    Network("mlperf_tiny/kws_ref_model", _KWS, _mfcc),
    *(
        Network(f"ds_cnn_kws/{name}", _KWS, _mfcc_of_16_bits)
        for name in ("dense_s", "sparse_s_80", "sparse_s_90", "sparse_l_85")
    ),
    *(Network(f"mobilenetv2_cifar10/{name}", _CIFAR, _upscaled) for name in ("dense50", "sparse80", "sparse90")),
)


@dataclass(frozen=True)
class Case:
    """A network with its files."""

    network: Network
    model: Path
    data: Path

    def load(self) -> tuple[Images, NDArray[np.int64]]:
        """Samples [n, height, width, channels] and labels [n]. Raises UsageError for a file of another kind."""
        with np.load(self.data) as stored:
            arrays = {name: stored[name] for name in stored.files}
        labels = arrays.pop(LABELS, None)
        if labels is None or len(arrays) != 1:
            raise UsageError(f"{self.data}: expected {LABELS} and one array of samples")
        [samples] = arrays.values()
        if samples.ndim != 4 or len(samples) != len(labels) or len(samples) <= CALIBRATION_SAMPLES:
            raise UsageError(
                f"{self.data}: samples {list(samples.shape)}, labels {list(labels.shape)}; expected more than "
                f"{CALIBRATION_SAMPLES} of both, samples [n, height, width, channels]"
            )
        return self.network.prepare(samples), labels.astype(np.int64)


def cases_in(models: Path, data: Path) -> tuple[list[Case], list[str]]:
    """What can be measured with these folders, and why the rest cannot.

    Networks of the table above, and every other `.tflite` file below `models` for which `data` has a file of its name,
    with float samples as the model takes them.
    """
    found, left_out = [], []
    for network in NETWORKS:
        case = Case(network, models / f"{network.name}.tflite", data / network.data)
        missing = [str(path) for path in (case.model, case.data) if not path.is_file()]
        if missing:
            left_out.append(f"{network.title}: no {' and no '.join(missing)}")
        else:
            found.append(case)
    known = {case.model for case in found}
    for model in sorted(models.rglob("*.tflite")):
        samples = data / f"{model.stem}.npz"
        if model not in known and samples.is_file():
            own = Network(f"{model.parent.name}/{model.stem}", samples.name, _pixels)
            found.append(Case(own, model, samples))
    return found, left_out
