"""Where the flash goes: what each part of the firmware puts into the image, from the linker's map."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wpconvert.benchmark.program import Section
from wpconvert.errors import ToolError

MODEL, KERNELS, RUNTIME, BOARD, LIBRARY, PADDING = "model", "kernels", "runtime", "board", "C library", "padding"
PARTS = (MODEL, KERNELS, RUNTIME, LIBRARY, BOARD, PADDING)

_PIECE = re.compile(r"^ (\S+)?\s+0x([0-9a-f]+)\s+0x([0-9a-f]+) (\S.*)$")
_SPLIT = re.compile(r"^ (\S+)$")
# First match counts. The path is that of an object, or `archive(member)`.
_ORIGINS = (
    (re.compile(r"lib(c|g|m|gcc|stdc\+\+|supc\+\+|nosys|rdimon)(_nano)?\.a\(|/crt\w*\.o$"), LIBRARY),
    (re.compile(r"(^|/)libwpk\w*\.a\(|(^|/)kernels/"), KERNELS),
    (re.compile(r"(^|/)libwpconvert_runtime\w*\.a\(|(^|/)runtime/(core|ops)/"), RUNTIME),
    (re.compile(r"(^|/)model(_data)?\.(c|cc|cpp|S)\.o(bj)?$"), MODEL),
)
_MODEL_SECTION = ".model"


@dataclass(frozen=True)
class Piece:
    """What one object, the file at `path`, puts at one place: [address, address + nbytes)."""

    section: str
    address: int
    nbytes: int
    origin: str
    path: str = ""


def part_of(path: str) -> str:
    """The part of the firmware an object belongs to; what is nobody else's is the board's and the program's."""
    return next((part for pattern, part in _ORIGINS if pattern.search(path)), BOARD)


def read_map(path: Path, sections: Sequence[Section]) -> tuple[Piece, ...]:
    """The pieces of the sections that are stored, by address, none reaching into the next one.

    ToolError when the file is no linker map.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ToolError(f"{path}: cannot read the linker map: {error.strerror}") from error
    _, title, body = text.partition("Linker script and memory map")
    if not title:
        raise ToolError(f"{path}: not a linker map of GNU ld")
    # Of strings that are merged, the map shows the size before: the next entry shows where they end.
    found = sorted(_pieces(body, [s for s in sections if s.stored]), key=_order)
    ends = [piece.address for piece in found[1:]] + [1 << 32]
    clipped = (
        replace(piece, nbytes=min(piece.nbytes, e - piece.address)) for piece, e in zip(found, ends, strict=True)
    )
    return tuple(piece for piece in clipped if piece.nbytes)


def _order(piece: Piece) -> tuple[int, bool, int]:
    """By address; at the same address merged strings first, because something else is what really lies there."""
    return piece.address, ".str1" not in piece.section, piece.nbytes


def _pieces(body: str, stored: Sequence[Section]) -> Iterator[Piece]:
    for name, address, nbytes, path in _lines(body):
        section = next((s for s in stored if s.address <= address < s.address + s.nbytes), None)
        # Debug sections are listed with addresses from 0 on: their names tell them apart.
        if section is not None and nbytes and not name.startswith(("*fill*", ".debug", ".comment", ".ARM.attributes")):
            yield Piece(name, address, nbytes, MODEL if section.name == _MODEL_SECTION else part_of(path), path)


def _lines(body: str) -> Iterator[tuple[str, int, int, str]]:
    """Section, address, size and object of each input section; a long name stands on a line of its own."""
    waiting = ""
    for line in body.splitlines():
        match = _PIECE.match(line)
        if match and (match[1] or waiting):
            yield match[1] or waiting, int(match[2], 16), int(match[3], 16), match[4]
        alone = _SPLIT.match(line)
        waiting = alone[1] if alone else ""


def flash_parts(pieces: Sequence[Piece], sections: Sequence[Section]) -> Mapping[str, int]:
    """Bytes of each part, in the order of PARTS; together exactly the bytes of the stored sections."""
    nbytes = Counter(dict.fromkeys(PARTS, 0))
    for piece in pieces:
        nbytes[piece.origin] += piece.nbytes
    for section in sections:
        if section.stored and section.name == _MODEL_SECTION:
            nbytes[MODEL] = section.nbytes
    nbytes[PADDING] = sum(section.nbytes for section in sections if section.stored) - nbytes.total()
    return {part: nbytes[part] for part in PARTS}


def part_at(pieces: Sequence[Piece], address: int) -> str:
    """The part an address belongs to."""
    index = bisect_right(pieces, address, key=lambda piece: piece.address) - 1
    if index >= 0 and address < pieces[index].address + pieces[index].nbytes:
        return pieces[index].origin
    return PADDING
