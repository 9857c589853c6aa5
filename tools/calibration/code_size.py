"""Which bytes of code each operator and codec brings into an image, from images with one operator each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median_low
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

Section = tuple[str, str, int]
"""Object file, section, and a number for those that agree in both."""
Sizes = dict[Section, int]


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
        key = "+".join(sorted(names))
        if key not in seen and (sample.method in _TWO or "WP_CONV_2D" in names):
            seen.add(key)
            yield sample


def _code(data: bytes) -> frozenset[str]:
    return frozenset(name for layer in layers_of(parse(data)) for name in layer.code)


def _sections(board: Board, data: bytes) -> Sizes:
    image = build_image(board, parse(data), data).path
    pieces = read_map(image.with_suffix(".map"), load_program(image).sections)
    count: Counter[tuple[str, str]] = Counter()
    found = {}
    for piece in pieces:
        if piece.origin not in (BOARD, MODEL):
            key = (Path(piece.path).name, piece.section)
            found[(*key, count[key])] = piece.nbytes
            count[key] += 1
    return found


def measure_code(board: Board) -> list[dict[str, Any]]:
    """The entries `code` of a cost file: bytes, and the operators and codecs of which each alone brings them."""
    images = []
    for sample in _samples():
        data = build([sample])
        images.append((_code(data), _sections(board, data)))
    return entries(images)


def entries(images: Sequence[tuple[frozenset[str], Sizes]]) -> list[dict[str, Any]]:
    """What every image with an operator or codec has is what it brings; what all images have is always there.

    Merged strings have another size in every image: the median stands for it.
    """
    always = frozenset.intersection(*(frozenset(sizes) for _, sizes in images))
    users: defaultdict[Section, list[str]] = defaultdict(list)
    for name in sorted(frozenset().union(*(names for names, _ in images))):
        for section in frozenset.intersection(*(frozenset(sizes) for names, sizes in images if name in names)):
            users[section].append(name)
    nbytes: Counter[tuple[str, ...]] = Counter()
    for section, names in users.items():
        size = median_low(sizes[section] for _, sizes in images if section in sizes)
        nbytes[() if section in always else tuple(names)] += size
    return [{"nbytes": size, "used_by": list(names)} for names, size in sorted(nbytes.items())]
