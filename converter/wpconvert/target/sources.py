"""Where the device sources are: in a checkout, or in the installed package."""

from __future__ import annotations

from pathlib import Path

from wpconvert.errors import ToolError

_PACKAGE = Path(__file__).resolve().parents[1]


def device_root() -> Path:
    """The folder that holds kernels/, runtime/ and cmake/; ToolError when the package came without them."""
    for root in (_PACKAGE.parent.parent, _PACKAGE / "_device"):
        if (root / "runtime" / "ports").is_dir() and (root / "kernels").is_dir():
            return root
    raise ToolError(f"{_PACKAGE}: the device sources (kernels/, runtime/) are missing; reinstall wpconvert")


def ports_folder() -> Path | None:
    """The folder with a folder for each board; None when the package came without device sources."""
    try:
        return device_root() / "runtime" / "ports"
    except ToolError:
        return None
