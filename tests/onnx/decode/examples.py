"""Encoded weights for each operator."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from wpconvert.formats.onnx.decode import DECODERS, Encoded, Settings


def encodings(op_type: str) -> list[Encoded]:
    """What encoders make for this operator of some weights that they can all hold."""
    generator = np.random.default_rng(1)
    few = np.where(generator.random((6, 16, 5)) < 0.6, 0, generator.integers(-4, 5, (6, 16, 5)))
    floats = few.astype(np.float32)
    floats[few == 0] *= np.where(generator.random(floats.shape) < 0.5, -1, 1)[few == 0]
    pool = generator.normal(size=(5, 8)).astype(np.float32)
    found = []
    for decoder in DECODERS.values():
        for values in (few.astype(np.int8), floats, (few // 2).astype(ml_dtypes.int4)):
            found.append(decoder.encode(values, Settings()))
        if decoder is DECODERS["pool"]:
            for dtype in (np.float32, np.float16):
                found.append(decoder.encode(floats.astype(dtype), Settings(shared=pool)))
    many = np.where(few == 0, 0, generator.integers(-8, 8, few.shape)).astype(ml_dtypes.int4)
    found.append(DECODERS["bitmap"].encode(many, Settings()))
    few[few == 1] = 0
    crowded = np.where((few == 0) & (generator.random(few.shape) < 0.5), 1, few).astype(ml_dtypes.int4)
    found.append(DECODERS["bitmap"].encode(crowded, Settings()))
    sparse = generator.integers(-8, 8, (60, 160)) * (generator.random((60, 160)) < 0.03)
    found += [DECODERS["huffman"].encode(sparse.astype(dtype), Settings()) for dtype in (np.int8, ml_dtypes.int4)]
    result = [encoded for encoded in found if encoded.op_type == op_type]
    assert result
    return result
