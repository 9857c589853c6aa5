"""One digest of many files, which is computed again only when one of them may have changed."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from wpconvert.errors import FileError
from wpconvert.files import write_all

# A file that changed so shortly ago may change again within one tick of its clock.
_SETTLED_NS = 2_000_000_000
_DIGEST = re.compile(r"[0-9a-f]{64}")
_THREADS = 4
_CHUNK = 4096


def content(root: Path, names: Sequence[str]) -> str:
    """SHA-256 in hex of the names below `root`, the sizes and the contents of files, in the order of `names`.

    The result is kept in the user's cache folder under a digest of what the file system says of each file: size, times
    of change and number. Writing a file changes that, also when its time is set back afterwards. Files that changed
    within the last two seconds are not trusted. Raises OSError when a file cannot be read.
    """
    began = time.time_ns()
    listing = hashlib.sha256(str(root.resolve()).encode())
    newest = 0
    for name in names:
        status = (root / name).stat()
        newest = max(newest, status.st_ctime_ns)
        listing.update(repr((name, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)).encode())
    kept = _cache() / f"{listing.hexdigest()}.sha256"
    if (known := _known(kept)) is not None:
        return known
    found = _digest(root, names)
    if newest + _SETTLED_NS < began:
        _keep(kept, found)
    return found


def _digest(root: Path, names: Sequence[str]) -> str:
    def of_file(name: str) -> str:
        with (root / name).open("rb") as file:
            return repr((name, os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()))

    digest = hashlib.sha256()
    with ThreadPoolExecutor(_THREADS) as pool:
        # `map` takes all of its input at once, which a million names should not cost.
        for start in range(0, len(names), _CHUNK):
            for line in pool.map(of_file, names[start : start + _CHUNK]):
                digest.update(line.encode())
    return digest.hexdigest()


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wptrain"


def _known(kept: Path) -> str | None:
    try:
        text = kept.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    return text if _DIGEST.fullmatch(text) else None


def _keep(kept: Path, found: str) -> None:
    """Write the file; a cache that cannot be written costs time, nothing else."""
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_all({kept: found.encode()})
    except (OSError, FileError):
        pass
