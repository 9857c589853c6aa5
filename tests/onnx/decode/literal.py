"""Decoders written from docs/FORMAT.md alone, an element at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from tests.onnx.decode.weights import Array


def _bit(octets: Array, number: int) -> int:
    return int(octets[number // 8]) >> number % 8 & 1


def _select(bits: Array, total: int, fill: object, others: Iterable[object]) -> list[object]:
    rest = iter(others)
    return [next(rest) if _bit(bits, i) else fill for i in range(total)]


def _bitmap(total: int, bits: Array, values: Array) -> list[object]:
    return _select(bits, total, values[0], values[1:])


def _nested_bitmap(total: int, bits: Array, inner_bits: Array, values: Array) -> list[object]:
    m = sum(_bit(bits, i) for i in range(total))
    return _select(bits, total, values[0], _select(inner_bits, m, values[1], values[2:]))


def _codes(codes: Array, count: int) -> list[int]:
    width = len(codes) // -(-count // 8)
    first = [i // 8 * 8 * width + i % 8 * width for i in range(count)]
    return [sum(_bit(codes, at + k) << k for k in range(width)) for at in first]


def _packed(total: int, codes: Array, table: Array) -> list[object]:
    return [table[code] for code in _codes(codes, total)]


def _nibble(octets: Array, number: int) -> int:
    return int(octets[number // 2]) >> 4 * (number % 2) & 15


def _place(total: int, steps: Sequence[int], values: Sequence[object] | Array) -> list[object]:
    out = [values[0]] * total
    position = -1
    for step, value in zip(steps, values[1:], strict=True):
        position += step + 1
        out[position] = value
    return out


def _rle(total: int, steps: Array, values: Array) -> list[object]:
    return _place(total, [_nibble(steps, k) for k in range(len(values) - 1)], values)


def _dcsr(total: int, steps: Array, planes: Array, masks: Array, values: Array) -> list[object]:
    found, mask = [], 0
    for group in range(-(-(len(values) - 1) // 16)):
        lanes = [_nibble(steps, 16 * group + lane) for lane in range(16)]
        for plane in range(4):
            if _bit(planes, 4 * group + plane):
                lanes = [step | _bit(masks, 16 * mask + lane) << 4 + plane for lane, step in enumerate(lanes)]
                mask += 1
        found += lanes
    return _place(total, found[: len(values) - 1], values)


def _huffman(total: int, bits: Array, levels: Array, counts: Array, symbols: Array) -> list[object]:
    leaves = [symbol for symbol, count in zip(symbols, counts, strict=True) for _ in range(count)]
    sequence: list[object] = []
    end, last = len(bits), len(leaves)
    for octets, number in reversed(list(zip(levels[:12].tolist(), levels[12:].tolist(), strict=True))):
        level = bits[end - octets : end]
        ordered = iter(leaves[last - number : last] + sequence)
        clear = [next(ordered) for i in range(8 * octets) if not _bit(level, i)]
        zeros, ones = iter(clear), ordered
        sequence = [next(ones) if _bit(level, i) else next(zeros) for i in range(8 * octets)]
        end, last = end - octets, last - number
    assert end == last == 0
    return sequence[:total]


def _huffman_runs(total: int, *streams: Array) -> list[object]:
    *coded, values, stored = streams
    count = int(stored[0])
    steps = [int(str(step)) for step in _huffman(count, *coded[:4])]
    bits, levels, counts = coded[4:]
    others = _huffman(count, bits, levels, counts, values[1:])
    return _place(total, steps, [values[0], *others])


def _pool(total: int, codes: Array, vectors: Array, layout: Array) -> list[object]:
    return _scaled_pool(total, codes, vectors, np.ones(0), layout)


def _scaled_pool(total: int, codes: Array, vectors: Array, scales: Array, layout: Array) -> list[object]:
    outer, depth, middle, rest = layout.tolist()
    groups = -(-depth // 8)
    index = _codes(codes, outer * middle * rest * groups)
    out: list[object] = [None] * total
    for o, d, m, r in np.ndindex(outer, depth, middle, rest):
        vector = index[((o * middle + m) * rest + r) * groups + d // 8]
        value = vectors[8 * vector + d % 8]
        out[((o * depth + d) * middle + m) * rest + r] = value * scales[o * middle + m] if len(scales) else value
    return out


_DECODERS: dict[str, Callable[..., list[object]]] = {
    "DecodeBitmap": _bitmap,
    "DecodeNestedBitmap": _nested_bitmap,
    "DecodePacked": _packed,
    "DecodeRle": _rle,
    "DecodeDcsr": _dcsr,
    "DecodeHuffman": _huffman,
    "DecodeHuffmanRuns": _huffman_runs,
    "DecodePool": _pool,
    "DecodeScaledPool": _scaled_pool,
    "DecodeScaledPoolFloat16": _scaled_pool,
}


def decode(op_type: str, inputs: Sequence[Array], dtype: np.dtype[np.generic]) -> Array:
    """The weight that a node of this operator computes."""
    *streams, shape = inputs
    total = int(np.prod(shape))
    values = _DECODERS[op_type.removesuffix("Int4")](total, *streams)
    return np.array(values, dtype).reshape(tuple(shape))
