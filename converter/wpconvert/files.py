"""Writing files: all or nothing, and never over something by surprise."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from wpconvert.errors import FileError


def write_all(files: Mapping[Path, bytes | Path]) -> None:
    """Write every file, or leave every path as it was.

    Each content goes to a temporary file beside its target and is synced; only when all are on disk are they renamed.
    A content that is a path is such a file already, see `staging`. An existing file keeps its permission bits. Raises
    FileError.
    """
    staged: list[tuple[Path, Path]] = []
    try:
        for path, content in files.items():
            staged.append((_stage(path, content), path))
        for temporary, path in staged:
            _rename(temporary, path)
    finally:
        for temporary, _ in staged:
            temporary.unlink(missing_ok=True)
    for folder in {path.parent for path in files}:
        _sync_folder(folder)


@contextmanager
def staging(target: Path | None) -> Iterator[Path]:
    """A folder for files on their way to that of `target`, or nowhere; what is left in it goes. Raises FileError."""
    beside = None if target is None else target.parent
    try:
        folder = tempfile.TemporaryDirectory(dir=beside, prefix=_prefix(os.getpid()), ignore_cleanup_errors=True)
    except OSError as error:
        raise FileError(f"{target or tempfile.gettempdir()}: cannot be written: {error.strerror}") from error
    with folder as name:
        try:
            yield Path(name)
        except OSError as error:
            raise FileError(f"{target or name}: cannot be written: {error.strerror or error}") from error


def remove_left(folder: Path, process: int) -> None:
    """Remove what a process that was killed has left in a folder of files on their way."""
    for path in folder.glob(f"{_prefix(process)}*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _prefix(process: int) -> str:
    """The start of the names of temporary files, which tells whose they are."""
    return f".wpconvert-{process}-"


def _stage(path: Path, content: bytes | Path) -> Path:
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise FileError(f"{path}: cannot be written: it is a symbolic link that leads to itself")
    if target.exists() and not target.is_file():
        kind = "a directory" if target.is_dir() else "not a regular file"
        raise FileError(f"{path}: cannot be written: it is {kind}")
    if target.exists() and not os.access(target, os.W_OK):
        # Renaming over it would work, but whoever made it read-only meant it.
        raise FileError(f"{path}: cannot be written: it is read-only")
    try:
        if isinstance(content, Path):
            handle, name = os.open(content, os.O_RDWR), str(content)
        else:
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=_prefix(os.getpid()))
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror}") from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "r+b") as file:
            if isinstance(content, bytes):
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask())
    except BaseException as error:
        # Whatever ends the writing, also an interrupt, leaves nothing behind.
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise FileError(f"{path}: cannot be written: {error.strerror}") from error
        raise
    return temporary


def _rename(temporary: Path, path: Path) -> None:
    try:
        temporary.replace(os.path.realpath(path))
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror}") from error


def _sync_folder(folder: Path) -> None:
    """Make the renames last; file systems without directory handles do without."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def same_file(first: Path, second: Path) -> bool:
    """Whether two paths name one file, also through links, and also where neither exists yet."""
    try:
        return first.samefile(second)
    except OSError:
        return os.path.realpath(first) == os.path.realpath(second)
