"""Which bytes of code each operator and codec brings into an image, from images with one operator each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from tools.calibration.layers import Sample, build, weighted
from tools.calibration.operators import operators

from wpconvert.bench.flash import BOARD, MODEL, read_map
from wpconvert.bench.program import load_program
from wpconvert.model.layer import PLAIN
from wpconvert.target.board import Board
from wpconvert.target.image import build_image
from wpconvert.tflite.file import parse
from wpconvert.tflite.layers import layers_of

# Of the operators with weights, those that are not built with every codec: what both have is the operator's own.
_TWO = (PLAIN, "dense", "rle")

Section = tuple[str, str, int, int]
"""Part of the firmware, section, bytes, and a number for those that agree in all this."""


def _samples() -> Iterator[Sample]:
    """One for each operator without weights, then each operator with weights as it is stored."""
    seen: set[str] = set()
    for sample in operators():
        (name,) = _code(build([sample]))
        if name not in seen:
            seen.add(name)
            yield sample
    for sample in weighted(0, 1):
        names = _code(build([sample]))
        if sample.method in _TWO or "WP_CONV_2D" in names:
            if (key := "+".join(sorted(names))) not in seen:
                seen.add(key)
                yield sample


def _code(data: bytes) -> frozenset[str]:
    return frozenset(name for layer in layers_of(parse(data)) for name in layer.code)


def _sections(board: Board, data: bytes) -> frozenset[Section]:
    image = build_image(board, parse(data), data).path
    pieces = read_map(image.with_suffix(".map"), load_program(image).sections)
    count: Counter[tuple[str, str, int]] = Counter()
    found = set()
    for piece in pieces:
        if piece.origin not in (BOARD, MODEL):
            key = (piece.origin, piece.section, piece.nbytes)
            found.add((*key, count[key]))
            count[key] += 1
    return frozenset(found)


def measure_code(board: Board) -> list[dict[str, Any]]:
    """The entries `code` of a cost file: bytes, and the operators and codecs of which each alone brings them."""
    images = []
    for sample in _samples():
        data = build([sample])
        images.append((_code(data), _sections(board, data)))
    return entries(images)


def entries(images: Iterable[tuple[frozenset[str], frozenset[Section]]]) -> list[dict[str, Any]]:
    """What every image with an operator or codec has is what it brings; what all images have is always there."""
    images = list(images)
    always = frozenset.intersection(*(sections for _, sections in images))
    brings = {
        name: frozenset.intersection(*(sections for names, sections in images if name in names)) - always
        for name in sorted(frozenset().union(*(names for names, _ in images)))
    }
    users: defaultdict[Section, list[str]] = defaultdict(list)
    for name, sections in brings.items():
        for section in sections:
            users[section].append(name)
    nbytes: Counter[tuple[str, ...]] = Counter({(): sum(section[2] for section in always)})
    for section, names in users.items():
        nbytes[tuple(names)] += section[2]
    return [{"nbytes": size, "used_by": list(names)} for names, size in sorted(nbytes.items())]
