"""A firmware image for one model: the runner of runtime/ports/common with exactly the model's operators."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from wpconvert.backends.c.c_array import emit_header
from wpconvert.backends.c.resolver import operators_of
from wpconvert.errors import ToolError, UnsupportedError, UsageError
from wpconvert.graph.executable import Executable
from wpconvert.graph.structure import Graph
from wpconvert.target.board import Board
from wpconvert.target.cache import cached, digest
from wpconvert.target.firmware import COMPILE_FLAGS, LINK_FLAGS, build_firmware
from wpconvert.target.sources import device_root
from wpconvert.target.tools import checked, find_tool, first_error, run_tool

_FLASH = (".text", ".model", ".rodata", ".data")
_RAM = (".stack", ".data", ".bss")
_MAX_OBJECT_NBYTES = (1 << 31) - 1
"""Of an array in C for a 32-bit core."""

MODEL_SOURCE = r"""__asm__(
    ".section .rodata.model_data, \"a\"\n"
    ".balign 16\n"
    ".global model_data\n"
    "model_data: .incbin \"model.tflite\"\n");
"""
"""The symbol of the C array of --to-c, without the minutes that a compiler takes for megabytes of it."""


@dataclass(frozen=True)
class Sizes:
    """Bytes of an image: code with its constants, the model, memory without the arena."""

    code_nbytes: int
    model_nbytes: int
    ram_nbytes: int


@dataclass(frozen=True)
class Image:
    """A linked image. `arena_nbytes` is the arena's size, not what the model uses of it."""

    path: Path
    arena_nbytes: int
    sizes: Sizes


@cache
def runtime_operators() -> frozenset[tuple[str, bool]]:
    """What the runtime has, as `operators_of` gives it: (name, is custom)."""
    text = (device_root() / "runtime" / "include" / "wpconvert" / "operators.def").read_text(encoding="utf-8")
    builtin = {(name, False) for name in re.findall(r"^WPCONVERT_BUILTIN\((\w+),", text, re.MULTILINE)}
    return frozenset(builtin | {(name, True) for name in re.findall(r"^WPCONVERT_CUSTOM\((\w+)\)", text, re.MULTILINE)})


def missing_operators(graph: Graph) -> list[str]:
    """The operators that the runtime does not have."""
    return [name for name, custom in operators_of(graph) if (name, custom) not in runtime_operators()]


def build_image(
    board: Board, model: Executable, data: bytes, arena_nbytes: int | None = None, defines: tuple[str, ...] = ()
) -> Image:
    """The image that runs the model with these bytes on a board; from the cache if it was built before.

    The data attached to the model is left out. The arena is as large as the board allows unless `arena_nbytes` says
    otherwise. Raises UnsupportedError for an unsupported operator or an image that does not fit, ToolError when
    a tool is missing or fails.
    """
    if missing := missing_operators(graph := model.graph):
        raise UnsupportedError(
            f"the runtime does not support the operator{'s' * (len(missing) > 1)} {', '.join(missing)}, "
            "so no board can run this model"
        )
    arena = board.arena_nbytes if arena_nbytes is None else arena_nbytes
    if arena < 1:
        raise UsageError(f"arena of {arena} bytes, expected at least 1")
    if arena > _MAX_OBJECT_NBYTES:
        raise UnsupportedError(f"the image does not fit {board.name}: an arena of {arena:,} bytes")
    compiler = find_tool("arm-none-eabi-g++")
    firmware = build_firmware(board, defines)
    data = model.embedded(data)
    header = emit_header(Path("model.c"), data, graph, "model.tflite")
    key = digest([firmware.name.encode(), data, header, str(arena).encode(), MODEL_SOURCE.encode()])

    def make(folder: Path) -> None:
        (folder / "model.tflite").write_bytes(data)
        (folder / "model.h").write_bytes(header)
        (folder / "model.cc").write_text(MODEL_SOURCE, encoding="ascii")
        runner = device_root() / "runtime" / "ports" / "common" / "runner.cc"
        flags = [f"@{firmware / COMPILE_FLAGS}", f"-I{folder}", f"-DWPCONVERT_ARENA_NBYTES={arena}"]
        done = run_tool([compiler, *flags, "-c", runner, "model.cc"], cwd=folder)
        checked(done, "compiling the firmware")
        objects = [folder / "runner.o", folder / "model.o"]
        link(board, firmware, objects, folder / "image.elf")
        for path in [*objects, folder / "model.cc", folder / "model.tflite"]:
            path.unlink()
        sizes = _sizes(folder / "image.elf")
        (folder / "sizes.json").write_text(json.dumps(asdict(sizes)), encoding="utf-8")

    folder = cached("image", key, make)
    stored = json.loads((folder / "sizes.json").read_text(encoding="utf-8"))
    return Image(folder / "image.elf", arena, Sizes(**stored))


def link(board: Board, firmware: Path, objects: Sequence[Path], image: Path) -> None:
    """Link objects with what `build_firmware` gave; UnsupportedError when the image does not fit the board."""
    # `wpconvert bench` reads from the map what each library takes.
    flags = [f"@{LINK_FLAGS}", f"-Wl,-Map={image.with_suffix('.map')}"]
    command: list[str | Path] = [find_tool("arm-none-eabi-g++"), *objects, *flags, "-o", image]
    done = run_tool(command, cwd=firmware)
    overflows = re.findall(r"region [`'](\w+)' overflowed by (\d+) bytes", done.stderr)
    if overflows:
        where = " and ".join(f"{region} is {int(nbytes):,} bytes too small" for region, nbytes in overflows)
        raise UnsupportedError(f"the image does not fit {board.name}: memory {where}")
    if done.returncode:
        raise ToolError(f"linking the firmware failed: {first_error(done.stderr)}")


def _sizes(image: Path) -> Sizes:
    text = checked(run_tool([find_tool("arm-none-eabi-size"), "-A", "-d", image]), "measuring the image")
    sections = {name: int(nbytes) for name, nbytes in re.findall(r"^(\.\w+)\s+(\d+)\s", text, re.MULTILINE)}
    nbytes = {name: sections.get(name, 0) for name in {*_FLASH, *_RAM}}
    code = sum(nbytes[name] for name in _FLASH if name != ".model")
    return Sizes(code, nbytes[".model"], sum(nbytes[name] for name in _RAM))
