"""The QEMU plugin that counts: compiled on first use, kept in the cache."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from wpconvert.errors import ToolError
from wpconvert.target.cache import cached, digest
from wpconvert.target.sources import device_root
from wpconvert.target.tools import checked, run_tool

SOURCES = ("count.c", "plugin_api.h")
_FLAGS = ("-std=c11", "-O2", "-fPIC", "-fvisibility=hidden", "-shared")
_LIBRARY = "wpcount.so"


def plugin_folder() -> Path:
    """The folder with the plugin's source; ToolError when the package came without it."""
    folder = device_root() / "tools" / "qemu_plugin"
    if not (folder / SOURCES[0]).is_file():
        raise ToolError(f"the source of the QEMU plugin is missing: {folder}; reinstall wpconvert")
    return folder


def build_plugin() -> Path:
    """The compiled plugin, from the cache if it was built before. ToolError without a compiler for this machine."""
    folder = plugin_folder()
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise ToolError("no C compiler for the QEMU plugin; install one, on Debian: apt-get install gcc libc6-dev")
    key = digest([compiler.encode(), repr(_FLAGS).encode(), *((folder / name).read_bytes() for name in SOURCES)])

    def make(made: Path) -> None:
        command: list[str | Path] = [*compiler.split(), *_FLAGS, "-o", made / _LIBRARY, folder / SOURCES[0]]
        checked(run_tool(command), "building the QEMU plugin")

    return cached("plugin", key, make) / _LIBRARY


def plugin_arguments(library: Path, out: Path, markers: Sequence[int]) -> list[str]:
    """QEMU's arguments that load the plugin. The paths must not contain a comma."""
    for path in (library, out):
        if "," in str(path):
            raise ToolError(f"{path}: QEMU takes no plugin with a comma in its path; set WPCONVERT_CACHE or TMPDIR")
    options = [f"file={library}", f"out={out}", *(f"marker={address:#x}" for address in markers)]
    return ["-plugin", ",".join(options)]
