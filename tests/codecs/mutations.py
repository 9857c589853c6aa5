"""Damage to blobs: deterministic given a random generator, often of a kind that keeps the blob consistent."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs import Blob, parse
from wpconvert.codecs.blob import build

Bytes = NDArray[np.uint8]
_Mutation = Callable[[Bytes, np.random.Generator], Bytes]

_SMALL = (0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 127, 128, 255)
INTERESTING = (*_SMALL, 256, 65535, 65536, 1 << 26, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)


def header_fields(raw: Bytes) -> list[tuple[int, int]]:
    """Offset and width in bytes of every field of a blob's header, section lengths included."""
    return [
        (0, 4),
        *((offset, 1) for offset in (4, 5, 6, 7)),
        *((offset, 4) for offset in (8, 12, 16)),
        *((offset, 1) for offset in (20, 21, 22, 23)),
        *((offset, 4) for offset in range(24, 40 + 4 * int(raw[22]), 4)),
    ]


def with_field(raw: Bytes, offset: int, width: int, value: int) -> Bytes:
    """A copy with one unsigned little-endian number replaced."""
    out = raw.copy()
    out[offset : offset + width] = np.frombuffer(value.to_bytes(width, "little"), np.uint8)
    return out


def rebuild(blob: Blob, sections: Sequence[Bytes] | None = None, flags: int | None = None) -> Bytes:
    """The blob with other sections or flags and a header that fits them."""
    parts = blob.sections if sections is None else sections
    return build(
        blob.codec, blob.layout, blob.block_log2, blob.flags if flags is None else flags, [[part] for part in parts]
    )


def _flip_bytes(raw: Bytes, generator: np.random.Generator) -> Bytes:
    out = raw.copy()
    where = generator.integers(0, len(raw), generator.integers(1, 4))
    out[where] ^= generator.integers(1, 256, len(where)).astype(np.uint8)
    return out


def _header_field(raw: Bytes, generator: np.random.Generator) -> Bytes:
    fields = header_fields(raw)
    offset, width = fields[generator.integers(len(fields))]
    old = int.from_bytes(raw[offset : offset + width].tobytes(), "little")
    choices = [old + 1, old - 1, old * 2, *INTERESTING]
    return with_field(raw, offset, width, choices[generator.integers(len(choices))] % (1 << 8 * width))


def _section_bytes(raw: Bytes, generator: np.random.Generator) -> Bytes:
    """Bytes inside one section, often by a small amount or a nibble."""
    blob = parse(raw)
    filled = [index for index, section in enumerate(blob.sections) if len(section)]
    sections = [section.copy() for section in blob.sections]
    target = sections[filled[generator.integers(len(filled))]]
    for _ in range(generator.integers(1, 3)):
        position = generator.integers(len(target))
        change = (1, 255, 16, 240, 0x80, int(generator.integers(256)))[generator.integers(6)]
        target[position] = (int(target[position]) + change) & 255
    return rebuild(blob, sections)


def _section_length(raw: Bytes, generator: np.random.Generator) -> Bytes:
    blob = parse(raw)
    sections = list(blob.sections)
    index = int(generator.integers(len(sections)))
    change = int((-16, -2, -1, 1, 2, 16)[generator.integers(6)])
    section = sections[index]
    if change < 0:
        sections[index] = section[:change] if len(section) >= -change else section[:0]
    else:
        sections[index] = np.append(section, np.zeros(change, np.uint8))
    return rebuild(blob, sections)


def _flags(raw: Bytes, generator: np.random.Generator) -> Bytes:
    return rebuild(parse(raw), flags=int(generator.integers(0, 16)))


def _columns(raw: Bytes, generator: np.random.Generator) -> Bytes:
    """Another number of columns, in the dimension and in the header."""
    blob = parse(raw)
    if blob.layout.row_dims == len(blob.layout.shape):
        return _flip_bytes(raw, generator)
    old = blob.layout.shape[-1]
    new = (old + 1, max(1, old - 1), old + 5, 2 * old, old + 16)[generator.integers(5)]
    out = with_field(raw, 24 + 4 * (len(blob.layout.shape) - 1), 4, new)
    return with_field(out, 12, 4, blob.cols // old * new)


def _length(raw: Bytes, generator: np.random.Generator) -> Bytes:
    """A prefix, or the blob and more, in half of the cases with the length in the header to match."""
    length = int(generator.integers(0, len(raw) + 33))
    out = np.append(raw, np.zeros(33, np.uint8))[:length]
    if length >= 20 and generator.random() < 0.5:
        out[16:20] = np.frombuffer(struct.pack("<I", length), np.uint8)
    return out


def _padding(raw: Bytes, generator: np.random.Generator) -> Bytes:
    """Bytes between sections, which readers ignore."""
    out = raw.copy()
    blob = parse(raw)
    end = len(raw)
    padding = -len(blob.sections[-1]) % 16
    if padding:
        out[end - padding :] = generator.integers(0, 256, padding)
    return out


_MUTATIONS: list[_Mutation] = [
    _flip_bytes,
    _header_field,
    _section_bytes,
    _section_bytes,
    _section_length,
    _flags,
    _columns,
    _length,
    _padding,
]


def mutated(raw: Bytes, generator: np.random.Generator) -> Bytes:
    """One damaged copy of a well-formed blob."""
    return _MUTATIONS[generator.integers(len(_MUTATIONS))](raw, generator)
