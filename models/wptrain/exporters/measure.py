"""What the int8 model gets right, computed by the device's own runtime and kernels on this machine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from wpconvert.native import extension

from ..data.module import DataModule, SplitName
from .litert import describe, quantise

# Samples in memory at a time.
_BATCH = 256


def stored_logits(content: bytes, images: NDArray[np.int8], threads: int = 1) -> NDArray[np.int8]:
    """The int8 logits [n, classes] of an int8 model for int8 images [n, height, width, channels]."""

    def compute(part: NDArray[np.int8]) -> NDArray[np.int8]:
        interpreter = extension().Interpreter(content)
        return np.concatenate([interpreter.run([image[np.newaxis]])[0] for image in part])

    parts = [part for part in np.array_split(images, threads) if len(part)]
    with ThreadPoolExecutor(threads) as pool:
        return np.concatenate(list(pool.map(compute, parts)))


def evaluate_integers(content: bytes, data: DataModule, split: SplitName, threads: int = 1) -> tuple[float, float]:
    """Top-1 accuracy in [0, 1] and mean cross-entropy of an int8 model; of equal logits the lowest class counts."""
    facts = describe(content)
    labels = data.labels(split)
    stored = np.concatenate(
        [
            stored_logits(content, quantise(data.batch(split, part).samples, facts.input), threads)
            for part in np.array_split(np.arange(len(labels)), -(-len(labels) // _BATCH))
        ]
    )
    real = (stored.astype(np.float32) - facts.output.zero_point) * np.float32(facts.output.scale)
    loss = functional.cross_entropy(torch.from_numpy(real), torch.from_numpy(labels))
    return float(np.mean(stored.argmax(axis=1) == labels)), float(loss)
