"""The cache of build results."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from wpconvert.errors import FileError, ToolError
from wpconvert.target.cache import cache_root, cached, digest


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WPCONVERT_CACHE", str(tmp_path / "own"))
    assert cache_root() == tmp_path / "own"
    monkeypatch.delenv("WPCONVERT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_root() == tmp_path / "wpconvert"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_root() == tmp_path / "home" / ".cache" / "wpconvert"


def test_names_depend_on_every_part_and_its_end() -> None:
    assert digest([b"ab", b"c"]) != digest([b"a", b"bc"]) != digest([b"abc"])


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("WPCONVERT_CACHE", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("own")
def test_made_once() -> None:
    made = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "file").write_text("x")

    assert cached("kind", "key", make) == cached("kind", "key", make)
    assert len(made) == 1 and (cached("kind", "key", make) / "file").read_text() == "x"


def test_what_fails_leaves_nothing(own: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise ToolError("no")

    with pytest.raises(ToolError):
        cached("kind", "key", fail)
    assert list((own / "kind").iterdir()) == []


def test_two_at_once_share_one_result(own: Path) -> None:
    def make(folder: Path) -> None:
        # Another process has been faster.
        other = own / "kind" / "key"
        other.mkdir()
        (other / "file").write_text("other")
        (folder / "file").write_text("mine")

    assert (cached("kind", "key", make) / "file").read_text() == "other"


def test_what_nobody_used_for_weeks_is_dropped(own: Path) -> None:
    old = cached("kind", "old", lambda _: None)
    month = time.time() - 30 * 24 * 3600
    os.utime(old, (month, month))
    cached("kind", "new", lambda _: None)
    assert [path.name for path in (own / "kind").iterdir()] == ["new"]


def test_a_cache_that_cannot_be_written_is_named(own: Path) -> None:
    (own / "kind").write_text("a file")
    with pytest.raises(FileError, match=r"cannot write the cache: .*; set WPCONVERT_CACHE to another folder"):
        cached("kind", "key", lambda _: None)
