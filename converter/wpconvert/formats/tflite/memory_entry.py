"""The metadata entry that carries a memory plan."""

from __future__ import annotations

from typing import Any

import numpy as np

from wpconvert.formats.tflite.model import TfliteModel, text
from wpconvert.formats.tflite.schema import BufferT, MetadataT
from wpconvert.memory.offline import NAME, MemoryPlan, fitted, packed, words_of


def write(model: TfliteModel, plan: MemoryPlan) -> None:
    """Add the entry, in place."""
    entry = MetadataT()
    entry.name = NAME
    entry.buffer = len(model.root.buffers)
    model.root.buffers.append(BufferT(data=packed(plan.offsets)))
    model.root.metadata = [*(model.root.metadata or []), entry]


def find(model: TfliteModel) -> Any | None:
    """The metadata entry, None when there is none."""
    return next((entry for entry in model.root.metadata or [] if text(entry.name) == NAME), None)


def fit(model: TfliteModel) -> None:
    """Make an existing plan count the tensors that the model has now, in place. One that is malformed is left alone."""
    entry = find(model)
    data = None if entry is None else model.root.buffers[entry.buffer].data
    words = None if data is None else words_of(np.asarray(data, np.uint8))
    if entry is not None and words is not None and len(model.root.subgraphs) == 1:
        model.root.buffers[entry.buffer].data = fitted(words, len(model.root.subgraphs[0].tensors))
