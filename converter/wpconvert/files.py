"""Writing files: all or nothing, and never over something by surprise."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType

from wpconvert.errors import FileError, UsageError
from wpconvert.interrupts import deferred
from wpconvert.temporary import temporary_file, temporary_folder

Content = bytes | Path
"""Of a file to write: its bytes, or a file that has them."""


def write_all(files: Mapping[Path, Content]) -> None:
    """Write every file, or leave every path unchanged.

    Each content goes to a temporary file next to its target and is synced; only when all are on disk are they renamed.
    A content that is a path is such a file already, see `staging`. An existing file keeps its permission bits. Raises
    FileError.
    """
    stack = ExitStack()
    try:
        staged = [(_stage(path, content, stack), path) for path, content in files.items()]
        with deferred():
            for temporary, path in staged:
                _rename(temporary, path)
    finally:
        with deferred():
            stack.close()
    for folder in {path.parent for path in files}:
        _sync_folder(folder)


@contextmanager
def staging(target: Path | None) -> Iterator[Path]:
    """A folder for files on their way to that of `target`, or nowhere; what is left in it goes. Raises FileError."""
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(temporary_folder(None if target is None else target.parent))
        except OSError as error:
            raise FileError(f"{target or tempfile.gettempdir()}: cannot be written: {error.strerror}") from error
        try:
            yield folder
        except OSError as error:
            raise FileError(f"{target or folder}: cannot be written: {error.strerror or error}") from error


class Workspace:
    """A folder like that of `staging`, which there is only if somebody asks for it. A context."""

    def __init__(self, target: Path | None) -> None:
        self.target = target
        self._stack = ExitStack()

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, at)

    @cached_property
    def folder(self) -> Path:
        """The folder. Raises FileError."""
        return self._stack.enter_context(staging(self.target))


def size_of(content: Content) -> int:
    """Bytes of a content."""
    return content.stat().st_size if isinstance(content, Path) else len(content)


def check_writable(path: Path) -> None:
    """FileError where a file cannot be written because of what is there already."""
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise FileError(f"{path}: cannot be written: it is a symbolic link to itself")
    if not target.exists():
        return
    if not target.is_file():
        kind = "a directory" if target.is_dir() else "not a regular file"
        raise FileError(f"{path}: cannot be written: it is {kind}")
    # Renaming over it would work, and root may write everything, but whoever made it read-only meant it.
    if not target.stat().st_mode & 0o222 or not os.access(target, os.W_OK):
        raise FileError(f"{path}: cannot be written: it is read-only; make it writable with chmod u+w")


def _stage(path: Path, content: Content, stack: ExitStack) -> Path:
    """A file on disk that only has to be renamed to `path`; `stack` removes it where it is not."""
    check_writable(path)
    target = Path(os.path.realpath(path))
    try:
        with deferred():
            if isinstance(content, Path):
                handle, temporary = os.open(content, os.O_RDWR), content
            else:
                handle, temporary = temporary_file(target.parent)
            # Its lock lasts until it is renamed.
            stack.callback(os.close, handle)
            stack.callback(temporary.unlink, missing_ok=True)
        with os.fdopen(handle, "r+b", closefd=False) as file:
            if isinstance(content, bytes):
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask())
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror}") from error
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


def as_given(path: Path, output: Path) -> Path:
    """A file in the folder of an output, with that folder as the user gave it; any other path as it is."""
    return output.parent / path.name if path.parent == output.parent.resolve() else path


def same_file(first: Path, second: Path) -> bool:
    """Whether two paths name one file, also through links, and also where neither exists yet."""
    try:
        return first.samefile(second)
    except OSError:
        return os.path.realpath(first) == os.path.realpath(second)


def check_distinct(paths: Iterable[Path]) -> None:
    """UsageError where two of these are one file: what is written must not overwrite inputs or each other."""
    known: list[Path] = []
    for path in paths:
        if any(same_file(path, other) for other in known):
            raise UsageError(f"{path} is given twice; inputs and outputs must be different files")
        known.append(path)
