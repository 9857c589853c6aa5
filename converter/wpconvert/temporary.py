"""Temporary files and folders. Each is locked as long as its process lives, so that what a killed one left is known.

A lock says more than the number of a process: it ends with the process however that ends, and numbers come again, after
a restart of the machine or in another container.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from wpconvert.interrupts import deferred

_START = ".wpconvert-"
_PREFIX = f"{_START}{re.sub('[^A-Za-z0-9]', '_', platform.node())}-"
"""The start of names here and on this host."""
_FOREIGN_S = 24 * 3600
"""Age from which those of other hosts are looked at. Some network file systems keep a host's locks to itself."""


def temporary_file(folder: Path) -> tuple[int, Path]:
    """A new file in a folder, open for writing, which is ours until it is closed. Raises OSError."""
    remove_left(folder)
    while True:
        handle, name = tempfile.mkstemp(dir=folder, prefix=_PREFIX)
        if _claimed(handle, Path(name)):
            return handle, Path(name)
        os.close(handle)


@contextmanager
def temporary_folder(parent: Path | None = None) -> Iterator[Path]:
    """A new folder in another, or where the system keeps temporary files; it goes with all in it. Raises OSError."""
    remove_left(parent or Path(tempfile.gettempdir()))
    stack = ExitStack()
    try:
        with deferred():
            folder = _claimed_folder(parent, stack)
        yield folder
    finally:
        with deferred():
            stack.close()


def _claimed_folder(parent: Path | None, stack: ExitStack) -> Path:
    """A new folder that is ours until `stack` is closed, which removes it."""
    while True:
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=_PREFIX))
        if sys.platform != "win32":
            try:
                handle = os.open(folder, os.O_RDONLY)
            except FileNotFoundError:
                continue
            stack.callback(os.close, handle)
            if not _claimed(handle, folder):
                continue
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        return folder


def remove_left(folder: Path) -> None:
    """Remove from a folder what processes of this user have left that were killed."""
    if sys.platform == "win32":
        return
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(_START) and (entry.name.startswith(_PREFIX) or _is_old(entry)):
                _remove_if_left(Path(entry.path))


def _is_old(entry: os.DirEntry[str]) -> bool:
    with suppress(OSError):
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > _FOREIGN_S
    return False


def _remove_if_left(path: Path) -> None:
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if os.fstat(handle).st_uid != os.geteuid():
                return
            _lock(handle, wait=False)
            if _is_at(path, handle):
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
        finally:
            os.close(handle)


def _claimed(handle: int, path: Path) -> bool:
    """Lock what was just made; False where `remove_left` of another process came between."""
    with suppress(OSError):
        _lock(handle, wait=True)
    # Where there are no locks, it is not removed.
    return _is_at(path, handle)


def _lock(handle: int, wait: bool) -> None:
    """Lock what is open. OSError where it is locked, or cannot be."""
    if sys.platform != "win32":
        import fcntl  # noqa: PLC0415 - absent on Windows

        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def _is_at(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(handle))
    except FileNotFoundError:
        return False
