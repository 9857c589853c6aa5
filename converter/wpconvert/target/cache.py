"""A cache of build results, each in a folder named by the hash of what it was made from."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wpconvert.errors import FileError
from wpconvert.temporary import temporary_folder

_UNUSED_S = 14 * 24 * 3600


def cache_root() -> Path:
    """$WPCONVERT_CACHE, else wpconvert in $XDG_CACHE_HOME or ~/.cache."""
    if chosen := os.environ.get("WPCONVERT_CACHE"):
        return Path(chosen).absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache").absolute() / "wpconvert"


def digest(parts: Iterable[bytes]) -> str:
    """A name for what is made of these parts, in this order."""
    state = hashlib.sha256()
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.hexdigest()[:24]


def cached(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """The folder `kind`/`key`, filled by `make` if it is not there yet.

    A folder appears complete or not at all, also when two processes make it at once. What `make` raises passes
    through; FileError when the cache cannot be written.
    """
    folder = cache_root() / kind / key
    try:
        if folder.is_dir():
            os.utime(folder)
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        _drop_unused(folder.parent)
        with temporary_folder(folder.parent) as temporary:
            # Moved as a whole, because the temporary folder itself is removed.
            made = temporary / "made"
            made.mkdir()
            make(made)
            try:
                made.rename(folder)
            except OSError:
                if not folder.is_dir():
                    raise
    except OSError as error:
        raise _unwritable(folder, error) from error
    return folder


def _unwritable(folder: Path, error: OSError) -> FileError:
    reason = error.strerror or str(error)
    return FileError(f"{folder}: cannot write the cache: {reason}; set WPCONVERT_CACHE to another folder")


def _drop_unused(parent: Path) -> None:
    oldest = time.time() - _UNUSED_S
    for entry in parent.iterdir():
        # Another process may be removing it, too.
        with suppress(OSError):
            if entry.stat().st_mtime < oldest:
                shutil.rmtree(entry, ignore_errors=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Makes the folder; only one process at a time is inside."""
    import fcntl  # noqa: PLC0415 - absent on Windows, where everything but building firmware works

    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("w")
    except OSError as error:
        raise _unwritable(folder, error) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
