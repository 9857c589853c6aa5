"""What a card says of the pool in a file."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from wpconvert.transforms.pool import GROUP, MAX_SIZE, cut, exact


def describe_pool(data: bytes, layers: Collection[str]) -> str:
    """The pool that the layers of these names share, counted in the `.tflite` file.

    Raises ValueError when they consist of more different vectors than a pool can have, or one is not there.
    """
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    vectors = []
    names = []
    for tensor in model.subgraphs[0].tensors:
        name = tensor.name.decode()
        if name.removesuffix("/weight") in layers:
            values = np.asarray(model.buffers[tensor.buffer].data, dtype=np.uint8).view(np.int8)
            vectors.append(cut(values.reshape(tensor.shape)))
            names.append(name)
    if len(names) != len(layers):
        raise ValueError(f"weights found for {', '.join(names)} only, expected {', '.join(layers)}")
    pool = exact(np.concatenate(vectors))
    if pool is None:
        raise ValueError(f"more than {MAX_SIZE} different vectors of weights, expected a pool")
    return f"{len(pool)} vectors of {GROUP} weights in {', '.join(names)}"
