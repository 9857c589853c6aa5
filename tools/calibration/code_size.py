"""Which bytes of code each operator and codec brings into an image, from images with one operator each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path
from statistics import median_low
from typing import Any

from tools.calibration.layers import Sample, build, weighted
from tools.calibration.operators import operators
from wpconvert.benchmark.flash import BOARD, MODEL, Piece, read_map
from wpconvert.benchmark.program import load_program
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.plan.layers import layers_of
from wpconvert.target.board import Board, board_named
from wpconvert.target.image import build_image

_TRIES = 31
"""Samples of each kind: small constants of element-wise operators stay unchanged."""

Section = tuple[str, str, int]
"""Object file, section, and a number for those that agree in both."""
Sizes = dict[Section, int]


def code_samples() -> Iterator[Sample]:
    """One for each operator without weights, then each operator with weights in every way to store them.

    With fewer, what an operator brings would look like the codec's that was built with that operator only.
    """
    seen: set[str] = set()
    for sample in operators():
        (name,) = code_names(build([sample]))
        if name not in seen:
            seen.add(name)
            yield sample
    for sample in weighted(0, _TRIES):
        names = code_names(build([sample]))
        key = "+".join(sorted(names))
        if key not in seen:
            seen.add(key)
            yield sample


def code_names(data: bytes) -> frozenset[str]:
    """The operators and codecs of a model, as a cost file names them."""
    return frozenset(name for layer in layers_of(read_graph(parse(data))) for name in layer.code)


def _built(name: str, data: bytes) -> Sizes:
    image = build_image(board_named(name), parse(data), data).path
    return sections_of(image, image.with_suffix(".map"), lambda piece: piece.origin not in (BOARD, MODEL))


def sections_of(image: Path, linker_map: Path, counts: Callable[[Piece], bool]) -> Sizes:
    """The sections of an image that are stored and count."""
    pieces = read_map(linker_map, load_program(image).sections)
    count: Counter[tuple[str, str]] = Counter()
    found = {}
    for piece in pieces:
        if counts(piece):
            key = (Path(piece.path).name, piece.section)
            found[(*key, count[key])] = piece.nbytes
            count[key] += 1
    return found


def measure_code(board: Board, pool: Executor) -> list[dict[str, Any]]:
    """The entries `code` of a cost file: bytes, and the operators and codecs of which each alone brings them."""
    models = [build([sample]) for sample in code_samples()]
    jobs = [pool.submit(_built, board.name, data) for data in models]
    return entries([(code_names(data), job.result()) for data, job in zip(models, jobs, strict=True)])


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
